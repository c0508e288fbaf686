// Imports the class that is asked for, with its family and no other.
import {
  type FamilyClasses,
  type SchedulerClassName,
  type SchedulerFamily,
  schedulerFamilies,
} from './scheduler-families.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

const importFamily: { readonly [Family in SchedulerFamily]: () => Promise<FamilyClasses<Family>> } = {
  timestep: async () => (await import('./timestep-classes.ts')).timestepClasses,
  sigma: async () => (await import('./sigma-classes.ts')).sigmaClasses,
  kDiffusion: async () => (await import('./k-diffusion-classes.ts')).kDiffusionClasses,
  dpmSolver: async () => (await import('./dpm-solver-classes.ts')).dpmSolverClasses,
  corrector: async () => (await import('./corrector-classes.ts')).correctorClasses,
  integrator: async () => (await import('./integrator-classes.ts')).integratorClasses,
  flow: async () => (await import('./flow-classes.ts')).flowClasses,
  continuous: async () => (await import('./continuous-classes.ts')).continuousClasses,
};

const families = Object.keys(schedulerFamilies) as SchedulerFamily[]; // the table's own keys

/** What the class reads of a config. */
export async function importClass(name: SchedulerClassName): Promise<SchedulerClass> {
  const family = families.find((each) => schedulerFamilies[each].some((known) => known === name))!;
  const classes: Partial<Record<SchedulerClassName, SchedulerClass>> = await importFamily[family]();
  return classes[name]!;
}
