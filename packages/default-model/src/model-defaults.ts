/** Settings that suit the model. */
export const modelDefaults = { numInferenceSteps: 20, guidanceScale: 3 } as const;
