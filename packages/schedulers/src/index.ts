export { createScheduler } from './create-scheduler.ts';
export { SchedulerConfigError, UnknownSchedulerError } from './errors.ts';
export { resolveScheduler } from './resolve-scheduler.ts';
export type {
  AddNoiseOptions,
  DenoisedOptions,
  Plan,
  PlanOptions,
  Question,
  SampleOptions,
  SamplerSetting,
  Scheduler,
} from './scheduler.ts';
export { type SchedulerAlias, schedulerAliases, spacingAliases } from './scheduler-aliases.ts';
