// Which share of the steps a task takes that starts from a picture.
import type { Plan } from '@emulsion/schedulers';
import { InvalidArgumentError } from '@emulsion/tensor';

/** What messages call the share and the number of steps. */
export interface StrengthNames {
  readonly strength: string;
  readonly steps: string;
}

/**
 * The first of the plan's timesteps that is visited when only the share `strength` of the steps is taken.
 * @throws {InvalidArgumentError} if `strength` is not above 0 and at most 1, or leaves no step
 */
export function firstStep(
  { timesteps, numInferenceSteps }: Plan,
  strength: number,
  evaluationsPerStep: number,
  names: StrengthNames = { strength: 'strength', steps: 'numInferenceSteps' },
): number {
  assertStrength(strength, names.strength);
  const steps = Math.min(Math.floor(numInferenceSteps * strength), numInferenceSteps);
  const first = (numInferenceSteps - steps) * evaluationsPerStep;
  if (steps === 0 || first >= timesteps.length) {
    throw new InvalidArgumentError(
      `${names.strength} is ${strength}, which leaves none of ${numInferenceSteps} steps. Raise ${names.strength} or ${names.steps}.`,
    );
  }
  return first;
}

/** @throws {InvalidArgumentError} if `strength` is not above 0 and at most 1 */
export function assertStrength(strength: number, name = 'strength'): void {
  if (strength > 0 && strength <= 1) return;
  throw new InvalidArgumentError(
    `${name} is ${strength}. Give a number above 0 and at most 1; 1 keeps nothing of the picture.`,
  );
}
