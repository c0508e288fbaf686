// Noise levels that are a power in log sigma (Crowson 2022).
import { assertSigmaRange } from './assert-arguments.ts';
import type { SigmaRange } from './karras-sigmas.ts';
import { linspace } from './linspace.ts';

/**
 * Noise levels spaced by a power of log sigma.
 * @param options.rho 1 spaces evenly in log sigma, larger puts more steps near `sigmaMin`
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1 or not `0 < sigmaMin < sigmaMax`
 */
export function polyexponentialSigmas(options: SigmaRange & { rho?: number }): number[] {
  const { steps, sigmaMin, sigmaMax, rho = 1 } = options;
  assertSigmaRange('polyexponentialSigmas', { steps, sigmaMin, sigmaMax });
  const [low, high] = [Math.log(sigmaMin), Math.log(sigmaMax)];
  return [...linspace(1, 0, steps).map((ramp) => Math.exp(low + ramp ** rho * (high - low))), 0];
}
