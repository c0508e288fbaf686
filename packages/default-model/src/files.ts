// The embedded model for pages: each file by a reference that bundlers follow.
export { fewStepDefaults, modelDefaults } from './model-defaults.ts';

/** Where each file of the model is, by its path in the folder; `fetchFolder` of @emulsion/runtime-web opens it. */
export const modelFiles: Readonly<Record<string, URL>> = {
  'few-step.safetensors': new URL('../model/few-step.safetensors', import.meta.url),
  'model_index.json': new URL('../model/model_index.json', import.meta.url),
  'scheduler/scheduler_config.json': new URL('../model/scheduler/scheduler_config.json', import.meta.url),
  'text_encoder/config.json': new URL('../model/text_encoder/config.json', import.meta.url),
  'text_encoder/model.safetensors': new URL('../model/text_encoder/model.safetensors', import.meta.url),
  'tokenizer/merges.txt': new URL('../model/tokenizer/merges.txt', import.meta.url),
  'tokenizer/tokenizer_config.json': new URL('../model/tokenizer/tokenizer_config.json', import.meta.url),
  'tokenizer/vocab.json': new URL('../model/tokenizer/vocab.json', import.meta.url),
  'unet/config.json': new URL('../model/unet/config.json', import.meta.url),
  'unet/diffusion_pytorch_model.safetensors': new URL(
    '../model/unet/diffusion_pytorch_model.safetensors',
    import.meta.url,
  ),
  'vae/config.json': new URL('../model/vae/config.json', import.meta.url),
  'vae/diffusion_pytorch_model.safetensors': new URL(
    '../model/vae/diffusion_pytorch_model.safetensors',
    import.meta.url,
  ),
};
