// Euler's method along the probability flow (Karras et al. 2022, algorithm 1 without its correction).
import type { Tensor } from '@emulsion/tensor';
import { varianceExploding } from './noise-level.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';

/**
 * Euler's method: order 1, one evaluation a step. With `process` variance preserving it is DDIM, with the rectified
 * flow it is the Euler method of flow matching: all go straight from the sample towards `denoised`.
 */
export function* euler(options: SamplerOptions): Sampler {
  const { ops, sigmas, timesteps, process = varianceExploding, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const from = process(sigmas[step]!);
    const to = process(sigmas[step + 1]!);
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    const ratio = to.sigma / from.sigma;
    sample = ops.combine([ratio, sample], [to.alpha - from.alpha * ratio, denoised]);
  }
  return sample;
}
