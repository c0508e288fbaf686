// Noise levels that fall slowly at first and quadratically then (Polyak et al. 2024, Movie Gen).
import { assertSteps } from './assert-arguments.ts';

/**
 * Half of the steps go linearly through the first part of the noise, the others quadratically through the rest.
 * @param options.threshold share of the noise that the linear steps take
 * @returns `[steps + 1]`, descending from `sigmaMax`, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1
 */
export function linearQuadraticSigmas(options: {
  steps: number;
  sigmaMax: number;
  threshold?: number;
}): number[] {
  const { steps, sigmaMax, threshold = 0.025 } = options;
  assertSteps('linearQuadraticSigmas', 'steps', steps);
  if (steps === 1) return [sigmaMax, 0];
  const linear = Math.floor(steps / 2);
  const quadratic = steps - linear;
  // The parabola continues the line at its end, and reaches 1.
  const missing = linear - threshold * steps;
  const curvature = missing / (linear * quadratic ** 2);
  const slope = threshold / linear - (2 * missing) / quadratic ** 2;
  const taken = (i: number) =>
    i < linear ? (i * threshold) / linear : curvature * i ** 2 + slope * i + curvature * linear ** 2;
  return [...Array.from({ length: steps }, (_, i) => sigmaMax * (1 - taken(i))), 0];
}
