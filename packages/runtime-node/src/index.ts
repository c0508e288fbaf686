export { createDevice } from './create-device.ts';
export { openFolder } from './open-folder.ts';
