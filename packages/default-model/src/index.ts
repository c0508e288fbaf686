// The embedded default model: where its files are, and the settings that it paints best with.
export { fewStepDefaults, modelDefaults } from './model-defaults.ts';

/** The folder of the model, in diffusers layout. */
export const modelUrl: URL = new URL('../model/', import.meta.url);

/** The LoRA that makes it a model of few steps, distilled as LCM-LoRA (Luo et al. 2023); an adapter for the pipeline. */
export const fewStepLora: URL = new URL('../model/few-step.safetensors', import.meta.url);
