// The schedulers of models that know noise levels, and no timesteps.
import { cmStochasticIterative } from './consistency.ts';
import { consistencyDecoder } from './consistency-decoder.ts';
import { cosineDpmSolverMultistep, edmDpmSolverMultistep } from './edm-dpm-solver-multistep.ts';
import { edmEuler } from './edm-euler.ts';
import type { FamilyClasses } from './scheduler-families.ts';
import { scmScheduler } from './scm.ts';
import { scoreSdeVeScheduler } from './score-sde-ve.ts';

export const continuousClasses: FamilyClasses<'continuous'> = {
  CMStochasticIterativeScheduler: cmStochasticIterative,
  ConsistencyDecoderScheduler: consistencyDecoder,
  CosineDPMSolverMultistepScheduler: cosineDpmSolverMultistep,
  EDMDPMSolverMultistepScheduler: edmDpmSolverMultistep,
  EDMEulerScheduler: edmEuler,
  SCMScheduler: scmScheduler,
  ScoreSdeVeScheduler: scoreSdeVeScheduler,
};
