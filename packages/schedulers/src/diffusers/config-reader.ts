// Reads a scheduler_config.json, in which anything may stand.
import { SchedulerConfigError } from '../errors.ts';

type Range = { least?: number; above?: number };

/** The values of a config by key. Absent and null values are the defaults; a value of the wrong kind is an error. */
export class ConfigReader<ClassName extends string = string> {
  readonly className: ClassName;
  readonly #config: Readonly<Record<string, unknown>>;
  readonly #read = new Set<string>(['_class_name']);

  constructor(className: ClassName, config: Readonly<Record<string, unknown>>) {
    this.className = className;
    this.#config = config;
  }

  /** Keys that nothing has asked for; those that begin with an underscore are notes. */
  get unusedKeys(): string[] {
    return Object.keys(this.#config).filter((key) => !this.#read.has(key) && !key.startsWith('_'));
  }

  /** Whether the config has a value for a key. */
  has(key: string): boolean {
    return this.#value(key) !== undefined;
  }

  #value(key: string): unknown {
    this.#read.add(key);
    return this.#config[key] ?? undefined;
  }

  #fail(key: string, wanted: string): never {
    throw new SchedulerConfigError(
      `${this.className}: "${key}" is ${JSON.stringify(this.#config[key])}, wanted ${wanted}. Correct the scheduler config.`,
      [key],
    );
  }

  /** @throws {SchedulerConfigError} always, with a sentence about keys that do not go together */
  contradiction(keys: readonly string[], reason: string): never {
    throw new SchedulerConfigError(`${this.className}: ${reason}`, keys);
  }

  optionalNumber(key: string, { least = -Infinity, above = -Infinity }: Range = {}): number | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    const number = value === '-inf' || value === '-Infinity' ? -Infinity : value;
    const bound = least > -Infinity ? ` of at least ${least}` : above > -Infinity ? ` above ${above}` : '';
    if (
      typeof number !== 'number' ||
      Number.isNaN(number) ||
      number < least ||
      (above > -Infinity && number <= above)
    ) {
      return this.#fail(key, `a number${bound}`);
    }
    return number;
  }

  number(key: string, fallback: number, range?: Range): number {
    return this.optionalNumber(key, range) ?? fallback;
  }

  integer(key: string, fallback: number, least = 0): number {
    const value = this.optionalNumber(key) ?? fallback;
    return Number.isInteger(value) && value >= least
      ? value
      : this.#fail(key, `an integer of at least ${least}`);
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.#value(key) ?? fallback;
    return typeof value === 'boolean' ? value : this.#fail(key, 'true or false');
  }

  numbers(key: string): readonly number[] | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every((item): item is number => typeof item === 'number')) {
      return this.#fail(key, 'a list of numbers');
    }
    return value;
  }

  oneOf<Choice extends string>(key: string, choices: readonly Choice[], fallback: Choice): Choice {
    return this.optionalOneOf(key, choices) ?? fallback;
  }

  optionalOneOf<Choice extends string>(key: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    const choice = choices.find((item) => item === value);
    return choice ?? this.#fail(key, `one of ${choices.map((item) => `"${item}"`).join(', ')}`);
  }
}
