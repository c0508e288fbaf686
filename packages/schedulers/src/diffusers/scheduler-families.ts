// The scheduler classes, by the names that configs have for them. A family shares most of its code, and is loaded together.
import type { SchedulerClass } from './scheduler-parts.ts';

/** Names of the classes, by family. */
export const schedulerFamilies = {
  /** The schedulers that go from one of the model's timesteps to another. */
  timestep: [
    'DDIMInverseScheduler',
    'DDIMParallelScheduler',
    'DDIMScheduler',
    'DDPMParallelScheduler',
    'DDPMScheduler',
    'DDPMWuerstchenScheduler',
    'LCMScheduler',
    'PNDMScheduler',
    'RePaintScheduler',
    'TCDScheduler',
    'UnCLIPScheduler',
  ],
  /** The schedulers that k-diffusion brought, as diffusers has them. */
  sigma: [
    'DPMSolverSDEScheduler',
    'EulerAncestralDiscreteScheduler',
    'EulerDiscreteScheduler',
    'HeunDiscreteScheduler',
    'KDPM2AncestralDiscreteScheduler',
    'KDPM2DiscreteScheduler',
    'LMSDiscreteScheduler',
  ],
  /** The samplers that k-diffusion, A1111 and ComfyUI have besides. */
  kDiffusion: ['KDiffusionScheduler'],
  /** The forms of DPM-Solver. */
  dpmSolver: [
    'DPMSolverMultistepInverseScheduler',
    'DPMSolverMultistepScheduler',
    'DPMSolverSinglestepScheduler',
  ],
  /** The schedulers that correct what they predicted. */
  corrector: ['SASolverScheduler', 'UniPCMultistepScheduler'],
  /** The exponential integrators of Zhang and Chen (2023). */
  integrator: ['DEISMultistepScheduler', 'IPNDMScheduler'],
  /** The schedulers of rectified flows. */
  flow: [
    'FlowMapEulerDiscreteScheduler',
    'FlowMatchEulerDiscreteScheduler',
    'FlowMatchHeunDiscreteScheduler',
    'FlowMatchLCMScheduler',
    'LTXEulerAncestralRFScheduler',
  ],
  /** The schedulers of models that know noise levels, and no timesteps. */
  continuous: [
    'CMStochasticIterativeScheduler',
    'ConsistencyDecoderScheduler',
    'CosineDPMSolverMultistepScheduler',
    'EDMDPMSolverMultistepScheduler',
    'EDMEulerScheduler',
    'SCMScheduler',
    'ScoreSdeVeScheduler',
  ],
} as const;

export type SchedulerFamily = keyof typeof schedulerFamilies;
type NamesOf<Family extends SchedulerFamily> = (typeof schedulerFamilies)[Family][number];
export type SchedulerClassName = NamesOf<SchedulerFamily>;

/** What the classes of a family read of a config. */
export type FamilyClasses<Family extends SchedulerFamily> = {
  readonly [Name in NamesOf<Family>]: SchedulerClass;
};

/** Every class that there is. */
export const schedulerClassNames: readonly SchedulerClassName[] = Object.values(schedulerFamilies).flat();
