// What can go wrong between a graph and the device that runs it.
import { EmulsionError } from '@emulsion/tensor';

/** The device that was asked for is not there. */
export class DeviceUnavailableError extends EmulsionError {
  static override readonly className = 'DeviceUnavailableError';
  readonly device: string;

  constructor(device: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.device = device;
  }
}

/** The device went away, with what it was doing: out of memory, a crash of a driver, or it was disposed. */
export class DeviceLostError extends EmulsionError {
  static override readonly className = 'DeviceLostError';
}

/** A graph could not be loaded. */
export class SessionError extends EmulsionError {
  static override readonly className = 'SessionError';
}

/** A graph was loaded but its run failed. */
export class RunError extends EmulsionError {
  static override readonly className = 'RunError';
}
