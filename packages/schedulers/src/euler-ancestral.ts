// Ancestral sampling with Euler's method: DDPM's noise on top of a deterministic step.
import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

export interface EulerAncestralOptions extends Omit<SamplerOptions, 'process'>, StochasticOptions {
  /** Amount of noise: 1 is DDPM's, 0 makes it Euler's method. */
  eta?: number;
}

/** Euler ancestral: order 1, one evaluation a step, stochastic; variance exploding. */
export function* eulerAncestral(options: EulerAncestralOptions): Sampler {
  const { ops, sigmas, timesteps, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const sigma = sigmas[step]!;
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    const { sigmaDown, sigmaUp } = ancestralStep(sigma, sigmas[step + 1]!, eta);
    const ratio = sigmaDown / sigma;
    sample = ops.combine([ratio, sample], [1 - ratio, denoised], [sigmaUp * sNoise, noise(sample.dims)]);
  }
  return sample;
}
