// The schedulers that go from one of the model's timesteps to another.
import { ddimScheduler } from './ddim.ts';
import { ddimInverse } from './ddim-inverse.ts';
import { ddpmScheduler } from './ddpm.ts';
import { ddpmWuerstchen } from './ddpm-wuerstchen.ts';
import { lcmScheduler } from './lcm.ts';
import { pndmScheduler } from './pndm.ts';
import { repaintScheduler } from './repaint.ts';
import type { FamilyClasses } from './scheduler-families.ts';
import { tcdScheduler } from './tcd.ts';
import { unclipScheduler } from './unclip.ts';

export const timestepClasses: FamilyClasses<'timestep'> = {
  DDIMInverseScheduler: ddimInverse,
  DDIMParallelScheduler: ddimScheduler,
  DDIMScheduler: ddimScheduler,
  DDPMParallelScheduler: ddpmScheduler,
  DDPMScheduler: ddpmScheduler,
  DDPMWuerstchenScheduler: ddpmWuerstchen,
  LCMScheduler: lcmScheduler,
  PNDMScheduler: pndmScheduler,
  RePaintScheduler: repaintScheduler,
  TCDScheduler: tcdScheduler,
  UnCLIPScheduler: unclipScheduler,
};
