// The schedulers that k-diffusion brought, as diffusers has them.
import { dpmSolverSdeScheduler } from './dpm-solver-sde.ts';
import { eulerAncestralDiscrete } from './euler-ancestral-discrete.ts';
import { eulerDiscrete } from './euler-discrete.ts';
import { heunDiscrete } from './heun-discrete.ts';
import { kdpm2AncestralDiscrete, kdpm2Discrete } from './kdpm2-discrete.ts';
import { lmsDiscrete } from './lms-discrete.ts';
import type { FamilyClasses } from './scheduler-families.ts';

export const sigmaClasses: FamilyClasses<'sigma'> = {
  DPMSolverSDEScheduler: dpmSolverSdeScheduler,
  EulerAncestralDiscreteScheduler: eulerAncestralDiscrete,
  EulerDiscreteScheduler: eulerDiscrete,
  HeunDiscreteScheduler: heunDiscrete,
  KDPM2AncestralDiscreteScheduler: kdpm2AncestralDiscrete,
  KDPM2DiscreteScheduler: kdpm2Discrete,
  LMSDiscreteScheduler: lmsDiscrete,
};
