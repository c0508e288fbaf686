/** Settings that suit the model. */
export const modelDefaults = { numInferenceSteps: 20, guidanceScale: 3 } as const;

/** Settings that suit the model with its LoRA of few steps. */
export const fewStepDefaults = { scheduler: 'lcm', numInferenceSteps: 2, guidanceScale: 1 } as const;
