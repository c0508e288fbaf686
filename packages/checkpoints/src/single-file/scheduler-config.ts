// The schedules that Stable Diffusion was trained on, as the scheduler_config.json of its folders on the hub has them.

/** What a network may predict. */
export const predictionTypes = ['epsilon', 'v_prediction'] as const;
export type PredictionType = (typeof predictionTypes)[number];

/**
 * The JSON of a scheduler_config.json.
 * @param zeroTerminalSnr whether the last timestep of training was pure noise (Lin et al. 2024)
 */
export function schedulerConfig(
  xl: boolean,
  predictionType: PredictionType,
  zeroTerminalSnr: boolean,
): Readonly<Record<string, unknown>> {
  return {
    ...schedulers[xl ? 'xl' : predictionType],
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    num_train_timesteps: 1000,
    steps_offset: 1,
    prediction_type: predictionType,
    ...(zeroTerminalSnr && { rescale_betas_zero_snr: true, timestep_spacing: 'trailing' }),
  };
}

const schedulers = {
  xl: { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'leading' },
  epsilon: { _class_name: 'PNDMScheduler', skip_prk_steps: true, set_alpha_to_one: false },
  v_prediction: { _class_name: 'DDIMScheduler', clip_sample: false, set_alpha_to_one: false },
} as const;

/** That of the upscaler, which predicts velocities. */
export const upscalerScheduler = {
  ...schedulerConfig(false, 'v_prediction', false),
  beta_start: 0.0001,
  beta_end: 0.02,
} as const;

/** How noise was put on the pictures that the upscaler learned to enlarge. */
export const lowResScheduler = {
  _class_name: 'DDPMScheduler',
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: 'scaled_linear',
  num_train_timesteps: 1000,
} as const;

const flowMatch = { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 1000 } as const;

/** That of Stable Diffusion 3. */
export const sd3Scheduler = { ...flowMatch, shift: 3 } as const;

/** That of Flux: a model that is not guided was distilled to few steps, whose levels are not shifted. */
export const fluxScheduler = (guided: boolean): Readonly<Record<string, unknown>> =>
  guided
    ? {
        ...flowMatch,
        shift: 3,
        use_dynamic_shifting: true,
        base_shift: 0.5,
        max_shift: 1.15,
        base_image_seq_len: 256,
        max_image_seq_len: 4096,
      }
    : { ...flowMatch, shift: 1 };
