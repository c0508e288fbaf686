// The forms of DPM-Solver.
import { dpmSolverMultistepScheduler } from './dpm-solver-multistep.ts';
import { dpmSolverMultistepInverse } from './dpm-solver-multistep-inverse.ts';
import { dpmSolverSinglestepScheduler } from './dpm-solver-singlestep.ts';
import type { FamilyClasses } from './scheduler-families.ts';

export const dpmSolverClasses: FamilyClasses<'dpmSolver'> = {
  DPMSolverMultistepInverseScheduler: dpmSolverMultistepInverse,
  DPMSolverMultistepScheduler: dpmSolverMultistepScheduler,
  DPMSolverSinglestepScheduler: dpmSolverSinglestepScheduler,
};
