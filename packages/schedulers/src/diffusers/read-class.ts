// Which class a scheduler_config.json is of.
import { SchedulerConfigError, UnknownSchedulerError } from '../errors.ts';
import { nearestNames } from '../nearest-names.ts';
import { ConfigReader } from './config-reader.ts';
import { type SchedulerClassName, schedulerClassNames } from './scheduler-families.ts';

/**
 * A reader of the config's other values, under the name of its class.
 * @param where the function that was called, for the texts of errors
 * @throws {SchedulerConfigError} if the config is no object, or names no class
 * @throws {UnknownSchedulerError} if there is no class of that name
 */
export function readClass(where: string, config: unknown): ConfigReader<SchedulerClassName> {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new SchedulerConfigError(
      `${where}: the config is not an object. Give the JSON of a scheduler_config.json.`,
      [],
    );
  }
  // An object has keys, of which each reader checks the value.
  const values = config as Readonly<Record<string, unknown>>;
  const name = values._class_name;
  if (typeof name !== 'string') {
    throw new SchedulerConfigError(
      `${where}: the config has no "_class_name". Give the JSON of a scheduler_config.json, as it is stored with a model.`,
      ['_class_name'],
    );
  }
  const className = schedulerClassNames.find((known) => known === name);
  if (className) return new ConfigReader(className, values);
  const nearest = nearestNames(name, schedulerClassNames);
  throw new UnknownSchedulerError(
    `${where}: there is no class "${name}". The nearest are ${nearest.join(', ')}.`,
    nearest,
  );
}
