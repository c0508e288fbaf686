export { createDevice } from './create-device.ts';
export { fetchFolder } from './fetch-folder.ts';
export type { OnnxruntimeOptions } from './onnxruntime.ts';
export { openFolder } from './open-folder.ts';
export type { WebDevice } from './web-device.ts';
