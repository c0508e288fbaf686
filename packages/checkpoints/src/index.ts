export { assertRange } from './assert-range.ts';
export {
  type DiffusersComponent,
  type DiffusersFolder,
  openDiffusersFolder,
} from './diffusers-folder.ts';
export {
  InvalidFileError,
  MissingFileError,
  MissingFolderError,
  UnreadableFileError,
  UnsupportedFileError,
} from './errors.ts';
export { type Folder, type ReadRange, readJson } from './folder.ts';
export { memoryFolder } from './memory-folder.ts';
export { openOnnx } from './open-onnx.ts';
export { type OpenWeightsOptions, openWeights } from './open-weights.ts';
export { isPickledWeight, openPytorch, readPytorch } from './pytorch.ts';
export { readTensor } from './read-tensor.ts';
export { readTensors } from './read-tensors.ts';
export { resolvePath } from './resolve-path.ts';
export { openSafetensors, readSafetensorsHeader, type SafetensorsHeader } from './safetensors.ts';
export { type OpenControlNetFileOptions, openControlNetFile } from './single-file/open-controlnet-file.ts';
export {
  isSingleFile,
  type OpenSingleFileOptions,
  openSingleFile,
} from './single-file/open-single-file.ts';
export type { PredictionType } from './single-file/scheduler-config.ts';
export { PickleObject } from './unpickle.ts';
export type { Weight, Weights } from './weight.ts';
export { type StoredTensor, safetensorsParts, writeSafetensors } from './write-safetensors.ts';
