// Noise levels of the continuous variance preserving diffusion (Song et al. 2021b).
import { assertSteps } from './assert-arguments.ts';
import { linspace } from './linspace.ts';

/**
 * The levels σ/α of a diffusion whose β grows linearly in time, at even times.
 * @param options.betaD growth of β over the unit of time
 * @param options.betaMin β at time 0
 * @param options.epsilon the last time
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1
 */
export function vpSigmas(options: {
  steps: number;
  betaD?: number;
  betaMin?: number;
  epsilon?: number;
}): number[] {
  const { steps, betaD = 19.9, betaMin = 0.1, epsilon = 1e-3 } = options;
  assertSteps('vpSigmas', 'steps', steps);
  return [
    ...linspace(1, epsilon, steps).map((t) => Math.sqrt(Math.expm1((betaD * t * t) / 2 + betaMin * t))),
    0,
  ];
}
