export { type ClipTextConfig, parseClipTextConfig } from './clip-config.ts';
export { clipTextModel } from './clip-text-model.ts';
export {
  type LoadOptions,
  loadTextEncoder,
  type TextEncoder,
  type TextEncoderInputs,
  type TextEncoderOutputs,
} from './load-text-encoder.ts';
export {
  type EncodePromptOptions,
  loadPromptEncoder,
  type PromptEncoder,
  PromptTooLongError,
} from './prompt-encoder.ts';
