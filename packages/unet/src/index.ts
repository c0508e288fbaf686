export {
  type ControlResiduals,
  type LoadOptions,
  loadUnet,
  type Unet,
  type UnetInputs,
} from './load-unet.ts';
export { type UnetVariant, unet2dCondition } from './unet-2d-condition.ts';
export {
  type AdditionEmbedding,
  type BlockConfig,
  type ClassEmbedding,
  parseUnetConfig,
  parseUnetEncoderConfig,
  type UnetConfig,
  type UnetEncoderConfig,
} from './unet-config.ts';
export { type UnetEncoder, unetEncoder } from './unet-encoder.ts';
export {
  type AddedConditions,
  assertDims,
  type UnetEncoderInputs,
  unetEncoderFeeds,
} from './unet-inputs.ts';
