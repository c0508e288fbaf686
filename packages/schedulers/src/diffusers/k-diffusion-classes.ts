// The samplers that k-diffusion, A1111 and ComfyUI have besides.
import { kDiffusion } from './k-diffusion.ts';
import type { FamilyClasses } from './scheduler-families.ts';

export const kDiffusionClasses: FamilyClasses<'kDiffusion'> = {
  KDiffusionScheduler: kDiffusion,
};
