// The embedded default model: where its files are, and the settings that it paints best with.
export { modelDefaults } from './model-defaults.ts';

/** The folder of the model, in diffusers layout. */
export const modelUrl: URL = new URL('../model/', import.meta.url);
