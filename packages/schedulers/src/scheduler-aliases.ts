// What other programs call the samplers and the spacings of noise levels, as settings of a scheduler config.

/** A sampler or a spacing: its name here, its names elsewhere, and what it sets in a scheduler config. */
export interface SchedulerAlias {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  /** What it sets in the config of a model that is a flow or of Karras et al., where that is not the same. */
  readonly otherModels?: Readonly<Record<string, unknown>>;
}

const multistep = (settings: Readonly<Record<string, unknown>>) => ({
  _class_name: 'DPMSolverMultistepScheduler',
  final_sigmas_type: 'zero',
  solver_type: 'midpoint',
  solver_order: 2,
  ...settings,
});

const kDiffusion = (
  name: string,
  sampler: string,
  aliases: readonly string[],
  otherModels?: Readonly<Record<string, unknown>>,
): SchedulerAlias => ({
  name,
  aliases: [sampler, ...aliases],
  config: { _class_name: 'KDiffusionScheduler', sampler },
  ...(otherModels ? { otherModels } : {}),
});

const stochastic = { algorithm_type: 'sde-dpmsolver++' };

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
    name: 'dpm++3m',
    aliases: ['dpmpp_3m'],
    config: multistep({ algorithm_type: 'dpmsolver++', solver_order: 3 }),
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
  kDiffusion('dpm++2s_a', 'dpmpp_2s_ancestral', ['DPM++ 2S a']),
  kDiffusion('dpm++sde', 'dpmpp_sde', ['DPM++ SDE', 'dpmpp_sde_gpu']),
  kDiffusion('dpm++2m_sde', 'dpmpp_2m_sde', ['DPM++ 2M SDE', 'dpmpp_2m_sde_gpu'], multistep(stochastic)),
  kDiffusion(
    'dpm++2m_sde_heun',
    'dpmpp_2m_sde_heun',
    ['DPM++ 2M SDE Heun', 'dpmpp_2m_sde_heun_gpu'],
    multistep({ ...stochastic, solver_type: 'heun' }),
  ),
  kDiffusion(
    'dpm++3m_sde',
    'dpmpp_3m_sde',
    ['DPM++ 3M SDE', 'dpmpp_3m_sde_gpu'],
    multistep({ ...stochastic, solver_order: 3 }),
  ),
  kDiffusion('dpm_fast', 'dpm_fast', ['DPM fast']),
  kDiffusion('dpm_adaptive', 'dpm_adaptive', ['DPM adaptive']),
  kDiffusion('restart', 'restart', ['Restart']),
  kDiffusion('heun++2', 'heunpp2', []),
  kDiffusion('ipndm', 'ipndm', []),
  kDiffusion('ipndm_v', 'ipndm_v', []),
  kDiffusion('res_multistep', 'res_multistep', []),
  kDiffusion('res_multistep_a', 'res_multistep_ancestral', []),
  kDiffusion('gradient_estimation', 'gradient_estimation', ['euler_ge']),
  kDiffusion('er_sde', 'er_sde', []),
  kDiffusion('seeds_2', 'seeds_2', []),
  kDiffusion('seeds_3', 'seeds_3', []),
  kDiffusion('exp_heun', 'exp_heun_2_x0', []),
  kDiffusion('exp_heun_sde', 'exp_heun_2_x0_sde', []),
  kDiffusion('euler_cfg++', 'euler_cfg_pp', ['DDIM CFG++']),
  kDiffusion('euler_a_cfg++', 'euler_ancestral_cfg_pp', []),
  kDiffusion('dpm++2m_cfg++', 'dpmpp_2m_cfg_pp', []),
  kDiffusion('dpm++2s_a_cfg++', 'dpmpp_2s_ancestral_cfg_pp', []),
  kDiffusion('res_multistep_cfg++', 'res_multistep_cfg_pp', []),
  kDiffusion('res_multistep_a_cfg++', 'res_multistep_ancestral_cfg_pp', []),
  kDiffusion('gradient_estimation_cfg++', 'gradient_estimation_cfg_pp', []),
];

const spacingKeys = [
  'use_karras_sigmas',
  'use_exponential_sigmas',
  'use_beta_sigmas',
  'use_lu_lambdas',
] as const;

const spacing = (settings: Readonly<Record<string, unknown>> = {}) => ({
  ...Object.fromEntries(spacingKeys.map((key) => [key, false])),
  sigma_spacing: null,
  ...settings,
});

/** The spacings of noise levels, which a sampler's name may end with. */
export const spacingAliases: readonly SchedulerAlias[] = [
  { name: 'karras', aliases: [], config: spacing({ use_karras_sigmas: true }) },
  { name: 'exponential', aliases: [], config: spacing({ use_exponential_sigmas: true }) },
  { name: 'beta', aliases: [], config: spacing({ use_beta_sigmas: true }) },
  { name: 'lu', aliases: [], config: spacing({ use_lu_lambdas: true }) },
  { name: 'polyexponential', aliases: [], config: spacing({ sigma_spacing: 'polyexponential' }) },
  { name: 'kl_optimal', aliases: ['KL Optimal'], config: spacing({ sigma_spacing: 'kl_optimal' }) },
  { name: 'sgm_uniform', aliases: ['SGM Uniform'], config: spacing({ sigma_spacing: 'sgm_uniform' }) },
  { name: 'simple', aliases: ['Simple'], config: spacing({ sigma_spacing: 'simple' }) },
  { name: 'linear_quadratic', aliases: [], config: spacing({ sigma_spacing: 'linear_quadratic' }) },
  { name: 'ays', aliases: ['Align Your Steps'], config: spacing({ sigma_spacing: 'align_your_steps' }) },
  { name: 'ays_sdxl', aliases: [], config: spacing({ sigma_spacing: 'align_your_steps_sdxl' }) },
  { name: 'normal', aliases: ['discrete', 'uniform'], config: spacing({ timestep_spacing: 'linspace' }) },
  { name: 'trailing', aliases: [], config: spacing({ timestep_spacing: 'trailing' }) },
  { name: 'leading', aliases: ['ddim_uniform'], config: spacing({ timestep_spacing: 'leading' }) },
];
