export { type ClipTextConfig, parseClipTextConfig } from './clip-config.ts';
export { clipTextModel } from './clip-text-model.ts';
export { PromptTooLongError } from './clip-tokens.ts';
export { type DistanceBuckets, distanceBuckets } from './distance-buckets.ts';
export { loadT5Encoder, type T5Encoder, type T5Inputs } from './load-t5-encoder.ts';
export {
  type LoadOptions,
  loadTextEncoder,
  type TextEncoder,
  type TextEncoderInputs,
  type TextEncoderOutputs,
} from './load-text-encoder.ts';
export {
  type Embedding,
  EmbeddingMismatchError,
  type EmbeddingVectors,
  PromptEmbeddings,
} from './prompt-embeddings.ts';
export {
  type EncodePromptOptions,
  loadPromptEncoder,
  type PromptEncoder,
} from './prompt-encoder.ts';
export {
  loadSdxlPromptEncoder,
  type SdxlEncodePromptOptions,
  type SdxlPromptEmbeds,
  type SdxlPromptEncoder,
} from './sdxl-prompt-encoder.ts';
export { parseT5Config, type T5Config } from './t5-config.ts';
export { t5EncoderModel } from './t5-encoder-model.ts';
export {
  loadFluxPromptEncoder,
  loadSd3PromptEncoder,
  type T5EncodePromptOptions,
  type TransformerPromptEmbeds,
  type TransformerPromptEncoder,
} from './transformer-prompt-encoder.ts';
