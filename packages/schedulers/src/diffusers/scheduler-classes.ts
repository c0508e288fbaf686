// All classes at once.
import { continuousClasses } from './continuous-classes.ts';
import { correctorClasses } from './corrector-classes.ts';
import { dpmSolverClasses } from './dpm-solver-classes.ts';
import { flowClasses } from './flow-classes.ts';
import { integratorClasses } from './integrator-classes.ts';
import { kDiffusionClasses } from './k-diffusion-classes.ts';
import type { SchedulerClassName } from './scheduler-families.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { sigmaClasses } from './sigma-classes.ts';
import { timestepClasses } from './timestep-classes.ts';

export const schedulerClasses: { readonly [Name in SchedulerClassName]: SchedulerClass } = {
  ...timestepClasses,
  ...sigmaClasses,
  ...kDiffusionClasses,
  ...dpmSolverClasses,
  ...correctorClasses,
  ...integratorClasses,
  ...flowClasses,
  ...continuousClasses,
};
