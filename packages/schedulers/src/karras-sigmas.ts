// Noise levels spaced evenly in a root of sigma (Karras et al. 2022).
import { assertSigmaRange } from './assert-arguments.ts';
import { linspace } from './linspace.ts';

/** The least and the greatest noise level of a schedule, and how many steps lie between them. */
export interface SigmaRange {
  /** Number of denoising steps, an integer of at least 1. */
  steps: number;
  sigmaMin: number;
  sigmaMax: number;
}

/**
 * Noise levels spaced by Karras et al. (2022), eq. 5.
 * @param options.rho spacing exponent; 7 in the paper, larger puts more steps near `sigmaMin`
 * @returns `[steps + 1]`, descending, last element 0; unit: standard deviation of the added noise
 * @throws {InvalidArgumentError} if `steps` < 1 or not `0 < sigmaMin < sigmaMax`
 */
export function karrasSigmas({
  steps,
  sigmaMin,
  sigmaMax,
  rho = 7,
}: SigmaRange & { rho?: number }): number[] {
  assertSigmaRange('karrasSigmas', { steps, sigmaMin, sigmaMax });
  const [low, high] = [sigmaMin ** (1 / rho), sigmaMax ** (1 / rho)];
  return [...linspace(0, 1, steps).map((ramp) => (high + ramp * (low - high)) ** rho), 0];
}
