// The part of a denoising that one of several models takes (Balaji et al. 2022, eDiff-I), as the base and the refiner of
// Stable Diffusion XL share one: at which timesteps diffusers cuts it.
import type { Plan, Scheduler } from '@emulsion/schedulers';
import { InvalidArgumentError } from '@emulsion/tensor';

/**
 * The first of the plan's timesteps that is visited if the denoising was done before up to the share `denoisingStart`.
 * A step of several evaluations is taken whole.
 * @throws {InvalidArgumentError} if the share is not between 0 and 1, or leaves no step
 */
export function startIndex(plan: Plan, denoisingStart: number, scheduler: Scheduler): number {
  const cutoff = cutoffOf('denoisingStart', plan, denoisingStart, scheduler);
  const { timesteps } = plan;
  const later = timesteps.filter((timestep) => timestep < cutoff).length;
  const whole = scheduler.evaluationsPerStep === 2 && later % 2 === 0 ? later + 1 : later;
  if (later > 0) return timesteps.length - whole;
  throw noStep('denoisingStart', denoisingStart, plan);
}

/**
 * How many of the plan's timesteps are visited if the denoising ends at the share `denoisingEnd`.
 * @param beginIndex the first one that is visited
 * @throws {InvalidArgumentError} if the share is not between 0 and 1, or leaves no step
 */
export function endIndex(plan: Plan, denoisingEnd: number, scheduler: Scheduler, beginIndex: number): number {
  if (denoisingEnd === 1) return plan.timesteps.length;
  const cutoff = cutoffOf('denoisingEnd', plan, denoisingEnd, scheduler);
  const count = plan.timesteps.filter((timestep) => timestep >= cutoff).length;
  if (count > beginIndex) return count;
  throw noStep('denoisingEnd', denoisingEnd, plan);
}

/** The timestep of training at a share of the denoising. */
function cutoffOf(name: string, { adaptive }: Plan, share: number, { noiseSchedule }: Scheduler): number {
  if (!(share > 0 && share < 1))
    throw new InvalidArgumentError(`${name} is ${share}. Give a number between 0 and 1.`);
  if (adaptive) {
    throw new InvalidArgumentError(
      `${name}: this sampler finds its steps on the way, and cannot be cut. Choose another scheduler.`,
    );
  }
  const trained = noiseSchedule?.betas.length ?? 1000;
  return roundHalfEven(trained - share * trained);
}

/** As Python rounds. */
function roundHalfEven(value: number): number {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 === 1 ? nearest - 1 : nearest;
}

const noStep = (name: string, share: number, { numInferenceSteps }: Plan) =>
  new InvalidArgumentError(
    `${name} is ${share}, which leaves none of ${numInferenceSteps} steps. Raise numInferenceSteps, or move ${name}.`,
  );
