// The embedded default model: where its files are, and the settings that it paints best with.

/** The folder of the model, in diffusers layout. */
export const modelUrl: URL = new URL('../model/', import.meta.url);

/** Settings that suit the model. */
export const modelDefaults = { numInferenceSteps: 20, guidanceScale: 3 } as const;
