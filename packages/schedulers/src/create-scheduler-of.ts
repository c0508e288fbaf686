// Makes a scheduler of a class that is known beforehand.
import { ConfigReader } from './diffusers/config-reader.ts';
import type { SchedulerClass } from './diffusers/scheduler-parts.ts';
import type { Scheduler } from './scheduler.ts';
import { schedulerFromParts } from './scheduler-from-parts.ts';

/**
 * A scheduler of the class that is given, with the code of that class alone: for pages that are to be small.
 * @param schedulerClass `eulerDiscrete`, `dpmSolverMultistepScheduler`, …, after the classes of diffusers
 * @param config the JSON of a scheduler_config.json, whose `_class_name` does not count
 * @throws {SchedulerConfigError} if a value of the config can't be used, or values contradict each other
 */
export function createSchedulerOf(
  schedulerClass: SchedulerClass,
  config: Readonly<Record<string, unknown>> = {},
): Scheduler {
  const reader = new ConfigReader(String(config._class_name ?? 'scheduler'), config);
  return schedulerFromParts(reader, schedulerClass(reader));
}
