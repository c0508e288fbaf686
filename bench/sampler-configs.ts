// The samplers that are measured.

/** Stable Diffusion's noise schedule. */
const shared = {
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  beta_end: 0.012,
  timestep_spacing: 'linspace',
};

/** The JSON of a scheduler_config.json for each. */
export const samplerConfigs: Readonly<Record<string, Readonly<Record<string, unknown>>>> = Object.fromEntries(
  Object.entries({
    EulerDiscreteScheduler: {},
    EulerAncestralDiscreteScheduler: {},
    HeunDiscreteScheduler: {},
    LMSDiscreteScheduler: {},
    DDIMScheduler: { clip_sample: false },
    DDPMScheduler: { clip_sample: false },
    DPMSolverMultistepScheduler: {},
    'DPMSolverMultistepScheduler, sde': { algorithm_type: 'sde-dpmsolver++' },
    DPMSolverSinglestepScheduler: {},
    DEISMultistepScheduler: {},
    UniPCMultistepScheduler: {},
    PNDMScheduler: { skip_prk_steps: true },
    IPNDMScheduler: {},
    KDPM2DiscreteScheduler: {},
    KDPM2AncestralDiscreteScheduler: {},
    LCMScheduler: {},
    TCDScheduler: {},
  }).map(([name, config]) => [name, { _class_name: name.split(',')[0], ...shared, ...config }]),
);
