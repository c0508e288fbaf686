// What can be wrong with a scheduler's config.
import { EmulsionError } from '@emulsion/tensor';

/** A scheduler config holds a value that the scheduler can't use, or values that contradict each other. */
export class SchedulerConfigError extends EmulsionError {
  static override readonly className = 'SchedulerConfigError';
  /** The keys of the config that are meant. */
  readonly keys: readonly string[];

  constructor(message: string, keys: readonly string[]) {
    super(message);
    this.keys = keys;
  }
}

/** No scheduler goes by this name. */
export class UnknownSchedulerError extends EmulsionError {
  static override readonly className = 'UnknownSchedulerError';
  /** The names closest to the one that was given, the nearest first. */
  readonly nearest: readonly string[];

  constructor(message: string, nearest: readonly string[]) {
    super(message);
    this.nearest = nearest;
  }
}
