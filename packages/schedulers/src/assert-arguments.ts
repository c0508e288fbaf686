// Checks at the public doors.
import { InvalidArgumentError } from '@emulsion/tensor';

/** @throws {InvalidArgumentError} unless `steps` is an integer of at least 1 */
export function assertSteps(where: string, name: string, steps: number): void {
  if (!Number.isInteger(steps) || steps < 1) {
    throw new InvalidArgumentError(`${where}: ${name} is ${steps}. Give an integer of at least 1.`);
  }
}

/** @throws {InvalidArgumentError} if `steps` < 1 or not `0 < sigmaMin < sigmaMax` */
export function assertSigmaRange(
  where: string,
  { steps, sigmaMin, sigmaMax }: { steps: number; sigmaMin: number; sigmaMax: number },
): void {
  assertSteps(where, 'steps', steps);
  // One step may start and end at one level.
  if (
    !(sigmaMin > 0 && (sigmaMin < sigmaMax || (steps === 1 && sigmaMin === sigmaMax))) ||
    sigmaMax === Infinity
  ) {
    throw new InvalidArgumentError(
      `${where}: sigmaMin is ${sigmaMin} and sigmaMax ${sigmaMax}. Give 0 < sigmaMin < sigmaMax.`,
    );
  }
}
