// Noise levels spaced evenly in log sigma.
import { assertSigmaRange } from './assert-arguments.ts';
import type { SigmaRange } from './karras-sigmas.ts';
import { linspace } from './linspace.ts';

/**
 * Noise levels spaced evenly in log sigma.
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1 or not `0 < sigmaMin < sigmaMax`
 */
export function exponentialSigmas({ steps, sigmaMin, sigmaMax }: SigmaRange): number[] {
  assertSigmaRange('exponentialSigmas', { steps, sigmaMin, sigmaMax });
  return [...linspace(Math.log(sigmaMax), Math.log(sigmaMin), steps).map(Math.exp), 0];
}
