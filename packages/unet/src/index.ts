export { guidanceFeatures } from './guidance-features.ts';
export {
  assertImageAdapter,
  type CrossAttentionLayer,
  crossAttentionLayers,
  type ImagePrompt,
  type ImagePromptSlot,
} from './image-prompts.ts';
export {
  type ControlResiduals,
  type LoadOptions,
  loadUnet,
  type Unet,
  type UnetInputs,
} from './load-unet.ts';
export { loadUnet2d, type Unet2d } from './load-unet-2d.ts';
export { unet2d } from './unet-2d.ts';
export { type UnetVariant, unet2dCondition } from './unet-2d-condition.ts';
export { parseUnet2dConfig, type Unet2dConfig } from './unet-2d-config.ts';
export {
  type AdditionEmbedding,
  type BlockConfig,
  type ClassEmbedding,
  parseUnetConfig,
  parseUnetEncoderConfig,
  type UnetConfig,
  type UnetEncoderConfig,
} from './unet-config.ts';
export type { UnetDecoderConfig } from './unet-decoder.ts';
export { type UnetEncoder, type UnetEncoderAdditions, unetEncoder } from './unet-encoder.ts';
export {
  type AddedConditions,
  assertDims,
  type Unet2dInputs,
  type UnetEncoderInputs,
  unetEncoderFeeds,
} from './unet-inputs.ts';
