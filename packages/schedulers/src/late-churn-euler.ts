// Euler's method with churn as diffusers has it: the noise is added after the network has answered.
import type { Tensor } from '@emulsion/tensor';
import type { Noise, Sampler, SamplerOptions } from './sampler.ts';

/** Where noise is added on the way (Karras et al. 2022, algorithm 2). */
export interface Churn {
  /** Total amount, spread over the steps. */
  sChurn: number;
  /** The levels between which noise is added. */
  sTmin?: number;
  sTmax?: number;
  /** Factor of the noise. */
  sNoise?: number;
}

/** How much a level is raised: σ̂ = (1 + γ) σ. `levels` is the number of steps that the amount is spread over. */
export function churnFactor(
  { sChurn, sTmin = 0, sTmax = Infinity }: Churn,
  sigma: number,
  levels: number,
): number {
  return sigma >= sTmin && sigma <= sTmax ? Math.min(sChurn / levels, Math.SQRT2 - 1) : 0;
}

export interface LateChurnEulerOptions extends Omit<SamplerOptions, 'process'>, Churn {
  noise: Noise;
  /** x̂₀ of the churned sample at `sigmaHat`, from what was answered for the sample before at `sigma`. */
  toDenoised: (answer: Tensor, sampleHat: Tensor, sigmaHat: number, sigma: number) => Tensor;
}

/**
 * Euler's method where a step first raises the noise, but by the network's answer for the sample before.
 * Variance exploding; order 1, one evaluation a step.
 */
export function* lateChurnEuler(options: LateChurnEulerOptions): Sampler {
  const { ops, sigmas, timesteps, noise, sNoise = 1, toDenoised, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const sigma = sigmas[step]!;
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    const gamma = churnFactor(options, sigma, sigmas.length - 1);
    const sigmaHat = sigma * (1 + gamma);
    if (gamma > 0) {
      const deviation = sNoise * Math.sqrt(sigmaHat ** 2 - sigma ** 2);
      sample = ops.combine([1, sample], [deviation, noise(sample.dims)]);
    }
    const ratio = sigmas[step + 1]! / sigmaHat;
    sample = ops.combine([ratio, sample], [1 - ratio, toDenoised(answer, sample, sigmaHat, sigma)]);
  }
  return sample;
}
