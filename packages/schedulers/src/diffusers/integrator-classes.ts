// The exponential integrators of Zhang and Chen (2023).
import { deisMultistep } from './deis-multistep.ts';
import { ipndmScheduler } from './ipndm.ts';
import type { FamilyClasses } from './scheduler-families.ts';

export const integratorClasses: FamilyClasses<'integrator'> = {
  DEISMultistepScheduler: deisMultistep,
  IPNDMScheduler: ipndmScheduler,
};
