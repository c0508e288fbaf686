// Euler's method for flow matching (Lipman et al. 2023; Esser et al. 2024).
import type { Tensor } from '@emulsion/tensor';
import type { Sampler, SamplerOptions } from './sampler.ts';

/** Euler's method along a velocity: order 1, one evaluation a step; answers are the velocity. Sigmas may also ascend. */
export function* flowEuler(options: Omit<SamplerOptions, 'process'>): Sampler {
  const { ops, sigmas, timesteps, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const sigma = sigmas[step]!;
    const velocityPred: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    sample = ops.combine([1, sample], [sigmas[step + 1]! - sigma, velocityPred]);
  }
  return sample;
}
