// Noise levels at the quantiles of a beta distribution (Lee et al. 2024, "Beta Sampling is All You Need").
import { assertSigmaRange } from './assert-arguments.ts';
import { betaQuantile } from './beta-quantile.ts';
import type { SigmaRange } from './karras-sigmas.ts';
import { linspace } from './linspace.ts';

/**
 * Noise levels at evenly spaced quantiles of a beta distribution over `[sigmaMin, sigmaMax]`.
 * @param options.alpha first shape of the distribution, 0.6 in the paper
 * @param options.beta second shape
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1 or not `0 < sigmaMin < sigmaMax`
 */
export function betaSigmas(options: SigmaRange & { alpha?: number; beta?: number }): number[] {
  const { steps, sigmaMin, sigmaMax, alpha = 0.6, beta = 0.6 } = options;
  assertSigmaRange('betaSigmas', { steps, sigmaMin, sigmaMax });
  const shares = linspace(0, 1, steps).map((ramp) => betaQuantile(1 - ramp, alpha, beta));
  return [...shares.map((share) => sigmaMin + share * (sigmaMax - sigmaMin)), 0];
}
