// What other programs call the samplers and the spacings of noise levels, as settings of a scheduler config.

/** A sampler or a spacing: its name here, its names elsewhere, and what it sets in a scheduler config. */
export interface SchedulerAlias {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
}

const multistep = (settings: Readonly<Record<string, unknown>>) => ({
  _class_name: 'DPMSolverMultistepScheduler',
  final_sigmas_type: 'zero',
  solver_type: 'midpoint',
  solver_order: 2,
  ...settings,
});

/** The samplers. Names of k-diffusion, A1111 and ComfyUI; case, spaces and underscores do not count. */
export const schedulerAliases: readonly SchedulerAlias[] = [
  { name: 'euler', aliases: ['k_euler'], config: { _class_name: 'EulerDiscreteScheduler' } },
  {
    name: 'euler_a',
    aliases: ['Euler a', 'euler_ancestral', 'k_euler_a'],
    config: { _class_name: 'EulerAncestralDiscreteScheduler' },
  },
  { name: 'heun', aliases: ['k_heun'], config: { _class_name: 'HeunDiscreteScheduler' } },
  { name: 'dpm2', aliases: ['dpm_2', 'k_dpm_2'], config: { _class_name: 'KDPM2DiscreteScheduler' } },
  {
    name: 'dpm2_a',
    aliases: ['DPM2 a', 'dpm_2_ancestral', 'k_dpm_2_a'],
    config: { _class_name: 'KDPM2AncestralDiscreteScheduler' },
  },
  { name: 'lms', aliases: ['k_lms'], config: { _class_name: 'LMSDiscreteScheduler' } },
  {
    name: 'dpm++2m',
    aliases: ['DPM++ 2M', 'dpmpp_2m', 'dpm++2mv2'],
    config: multistep({ algorithm_type: 'dpmsolver++' }),
  },
  {
    name: 'dpm++2m_sde',
    aliases: ['DPM++ 2M SDE', 'dpmpp_2m_sde', 'dpmpp_2m_sde_gpu'],
    config: multistep({ algorithm_type: 'sde-dpmsolver++' }),
  },
  {
    name: 'dpm++2m_sde_heun',
    aliases: ['DPM++ 2M SDE Heun', 'dpmpp_2m_sde_heun'],
    config: multistep({ algorithm_type: 'sde-dpmsolver++', solver_type: 'heun' }),
  },
  {
    name: 'dpm++3m',
    aliases: ['dpmpp_3m'],
    config: multistep({ algorithm_type: 'dpmsolver++', solver_order: 3 }),
  },
  {
    name: 'dpm++3m_sde',
    aliases: ['DPM++ 3M SDE', 'dpmpp_3m_sde', 'dpmpp_3m_sde_gpu'],
    config: multistep({ algorithm_type: 'sde-dpmsolver++', solver_order: 3 }),
  },
  {
    name: 'dpm++2s',
    aliases: ['DPM++ 2S', 'dpmpp_2s'],
    config: {
      _class_name: 'DPMSolverSinglestepScheduler',
      algorithm_type: 'dpmsolver++',
      solver_order: 2,
      solver_type: 'midpoint',
      final_sigmas_type: 'zero',
      lower_order_final: true,
    },
  },
  {
    name: 'dpm++sde',
    aliases: ['DPM++ SDE', 'dpmpp_sde', 'dpmpp_sde_gpu'],
    config: { _class_name: 'DPMSolverSDEScheduler' },
  },
  { name: 'ddim', aliases: ['k_ddim'], config: { _class_name: 'DDIMScheduler' } },
  { name: 'ddpm', aliases: [], config: { _class_name: 'DDPMScheduler' } },
  { name: 'pndm', aliases: [], config: { _class_name: 'PNDMScheduler', skip_prk_steps: false } },
  { name: 'plms', aliases: [], config: { _class_name: 'PNDMScheduler', skip_prk_steps: true } },
  {
    name: 'unipc',
    aliases: ['uni_pc', 'UniPC'],
    config: { _class_name: 'UniPCMultistepScheduler', solver_type: 'bh2' },
  },
  {
    name: 'unipc_bh1',
    aliases: ['uni_pc_bh1'],
    config: { _class_name: 'UniPCMultistepScheduler', solver_type: 'bh1' },
  },
  {
    name: 'unipc_bh2',
    aliases: ['uni_pc_bh2'],
    config: { _class_name: 'UniPCMultistepScheduler', solver_type: 'bh2' },
  },
  { name: 'deis', aliases: [], config: { _class_name: 'DEISMultistepScheduler', solver_type: 'logrho' } },
  { name: 'sa_solver', aliases: ['sasolver'], config: { _class_name: 'SASolverScheduler' } },
  { name: 'lcm', aliases: [], config: { _class_name: 'LCMScheduler' } },
  { name: 'tcd', aliases: [], config: { _class_name: 'TCDScheduler' } },
];

const spacingKeys = [
  'use_karras_sigmas',
  'use_exponential_sigmas',
  'use_beta_sigmas',
  'use_lu_lambdas',
] as const;

const spacing = (key?: (typeof spacingKeys)[number]) =>
  Object.fromEntries(spacingKeys.map((known) => [known, known === key]));

/** The spacings of noise levels, which a sampler's name may end with. */
export const spacingAliases: readonly SchedulerAlias[] = [
  { name: 'karras', aliases: [], config: spacing('use_karras_sigmas') },
  { name: 'exponential', aliases: [], config: spacing('use_exponential_sigmas') },
  { name: 'beta', aliases: [], config: spacing('use_beta_sigmas') },
  { name: 'lu', aliases: [], config: spacing('use_lu_lambdas') },
  {
    name: 'normal',
    aliases: ['discrete', 'uniform'],
    config: { ...spacing(), timestep_spacing: 'linspace' },
  },
  { name: 'sgm_uniform', aliases: ['trailing'], config: { ...spacing(), timestep_spacing: 'trailing' } },
  { name: 'ddim_uniform', aliases: ['leading'], config: { ...spacing(), timestep_spacing: 'leading' } },
];
