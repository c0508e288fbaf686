export { activate } from './activations.ts';
export { type AdaptableNetwork, unadaptable } from './adaptable-network.ts';
export { AdaptableSession } from './adaptable-session.ts';
export {
  AdapterFeeds,
  type ModuleAdapter,
  type NetworkAdapter,
  type SlottedSession,
} from './adapter-feeds.ts';
export { type AdapterSlots, type SlotKind, slotKinds } from './adapter-slots.ts';
export { type AttentionInputs, attention } from './attention.ts';
export { type ClipEncoderLayerShape, clipEncoderLayer } from './clip-encoder-layer.ts';
export { ConfigError, ConfigReader } from './config-reader.ts';
export {
  type ChangeContext,
  type ContextChange,
  type ContextUse,
  contextChanges,
  contextUses,
  type WriteNetwork,
} from './context-changes.ts';
export { type Conv2dShape, conv2d } from './conv2d.ts';
export { enlargingConv2d } from './enlarging-conv2d.ts';
export { type LinearShape, linear } from './linear.ts';
export { NetworkBuilder } from './network-builder.ts';
export { NetworkWeights } from './network-weights.ts';
export { type GroupNormShape, groupNorm, layerNorm } from './norms.ts';
export { type PixelAttentionShape, pixelAttention } from './pixel-attention.ts';
export { enlargeTo } from './resize.ts';
export { type ResnetBlockShape, resnetBlock } from './resnet-block.ts';
export { rmsNorm } from './rms-norm.ts';
export { type TimestepFeaturesOptions, timestepFeatures } from './timestep-features.ts';
export { pixelsToTokens, tokensToPixels } from './tokens.ts';
export {
  assertSlots,
  missingSlot,
  slotsOf,
  slotsWith,
  unitedSlots,
  type WantedSlots,
  wantedSlots,
} from './wanted-slots.ts';
export { WeightError, WeightScope } from './weight-scope.ts';
