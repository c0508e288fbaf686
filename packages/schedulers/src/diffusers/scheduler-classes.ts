// The scheduler classes by the names that configs have for them.
import { ddimScheduler } from './ddim.ts';
import { dpmSolverMultistepScheduler } from './dpm-solver-multistep.ts';
import { eulerAncestralDiscrete } from './euler-ancestral-discrete.ts';
import { eulerDiscrete } from './euler-discrete.ts';
import { heunDiscrete } from './heun-discrete.ts';
import { pndmScheduler } from './pndm.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { unipcMultistep } from './unipc-multistep.ts';

export const schedulerClasses: ReadonlyMap<string, SchedulerClass> = new Map([
  ['DDIMScheduler', ddimScheduler],
  ['DPMSolverMultistepScheduler', dpmSolverMultistepScheduler],
  ['EulerAncestralDiscreteScheduler', eulerAncestralDiscrete],
  ['EulerDiscreteScheduler', eulerDiscrete],
  ['HeunDiscreteScheduler', heunDiscrete],
  ['PNDMScheduler', pndmScheduler],
  ['UniPCMultistepScheduler', unipcMultistep],
]);
