// What can be wrong with a command line.
import { EmulsionError } from '@emulsion/tensor';

/** An option has a value that it cannot have. */
export class UsageError extends EmulsionError {
  static override readonly className = 'UsageError';
}

/** The user pressed Ctrl-C, or the process was asked to end. */
export class InterruptedError extends EmulsionError {
  static override readonly className = 'InterruptedError';
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super('Interrupted. Nothing was written.');
    this.exitCode = 128 + (signal === 'SIGINT' ? 2 : 15);
  }
}
