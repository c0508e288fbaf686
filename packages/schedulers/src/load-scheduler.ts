// Makes a scheduler from the JSON of a scheduler_config.json, without the code of all classes.
import { importClass } from './diffusers/import-class.ts';
import { readClass } from './diffusers/read-class.ts';
import type { Scheduler } from './scheduler.ts';
import { schedulerFromParts } from './scheduler-from-parts.ts';

/**
 * The scheduler that `createScheduler` makes, whose class is imported now: a bundled page downloads the classes that it
 * uses, and their nearest relatives.
 * @param config the JSON of a scheduler_config.json; `_class_name` names the class
 * @throws {UnknownSchedulerError} if there is no such class
 * @throws {SchedulerConfigError} if a value of the config can't be used, or values contradict each other
 */
export async function loadScheduler(config: unknown): Promise<Scheduler> {
  const reader = readClass('loadScheduler', config);
  const schedulerClass = await importClass(reader.className);
  return schedulerFromParts(reader, schedulerClass(reader));
}
