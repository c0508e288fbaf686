export { createScheduler } from './create-scheduler.ts';
export { SchedulerConfigError, UnknownSchedulerError } from './errors.ts';
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
