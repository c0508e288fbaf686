// Noise levels spaced evenly in the angle of sigma, which bounds the Kullback-Leibler divergence (Sabour et al. 2024).
import { assertSigmaRange } from './assert-arguments.ts';
import type { SigmaRange } from './karras-sigmas.ts';
import { linspace } from './linspace.ts';

/**
 * Noise levels spaced evenly in arctan sigma ("Align your steps", theorem 3.1).
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1 or not `0 < sigmaMin < sigmaMax`
 */
export function klOptimalSigmas({ steps, sigmaMin, sigmaMax }: SigmaRange): number[] {
  assertSigmaRange('klOptimalSigmas', { steps, sigmaMin, sigmaMax });
  return [...linspace(Math.atan(sigmaMax), Math.atan(sigmaMin), steps).map(Math.tan), 0];
}
