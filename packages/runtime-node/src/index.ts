export { createDevice } from './create-device.ts';
export { type FileStorageOptions, fileStorage } from './file-storage.ts';
export { hubEnvironment } from './hub-environment.ts';
export { openFolder } from './open-folder.ts';
