// The schedulers that correct what they predicted.
import { saSolverScheduler } from './sa-solver.ts';
import type { FamilyClasses } from './scheduler-families.ts';
import { unipcMultistep } from './unipc-multistep.ts';

export const correctorClasses: FamilyClasses<'corrector'> = {
  SASolverScheduler: saSolverScheduler,
  UniPCMultistepScheduler: unipcMultistep,
};
