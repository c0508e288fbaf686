// Makes a scheduler from the JSON of a scheduler_config.json.
import { readClass } from './diffusers/read-class.ts';
import { schedulerClasses } from './diffusers/scheduler-classes.ts';
import type { Scheduler } from './scheduler.ts';
import { schedulerFromParts } from './scheduler-from-parts.ts';

/**
 * A scheduler as a config describes it, with diffusers' defaults for what the config leaves out. It brings the code of
 * every class: a page that is to be small takes `loadScheduler`.
 * @param config the JSON of a scheduler_config.json; `_class_name` names the class
 * @throws {UnknownSchedulerError} if there is no such class
 * @throws {SchedulerConfigError} if a value of the config can't be used, or values contradict each other
 */
export function createScheduler(config: unknown): Scheduler {
  const reader = readClass('createScheduler', config);
  return schedulerFromParts(reader, schedulerClasses[reader.className](reader));
}
