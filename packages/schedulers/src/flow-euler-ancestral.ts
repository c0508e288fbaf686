// Euler ancestral for rectified flows (ComfyUI's "euler_ancestral_RF").
import type { Tensor } from '@emulsion/tensor';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

/**
 * Euler ancestral of flows: a step goes below the wanted level and noise is added up to it; order 1, one evaluation a
 * step, stochastic. Answers are `denoised`.
 * @param options.eta how far below: 0 is Euler's method, 1 the usual
 */
export function* flowEulerAncestral(
  options: Omit<SamplerOptions, 'process'> & StochasticOptions & { eta?: number },
): Sampler {
  const { ops, sigmas, timesteps, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const [sigma, sigmaNext] = [sigmas[step]!, sigmas[step + 1]!];
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    if (sigmaNext === 0) {
      sample = denoised;
      continue;
    }
    const sigmaDown = sigmaNext * (1 + (sigmaNext / sigma - 1) * eta);
    const ratio = sigmaDown / sigma;
    // What is scaled back to the wanted signal lacks this much of the wanted noise.
    const rescale = (1 - sigmaNext) / (1 - sigmaDown);
    const deviation = Math.sqrt(Math.max(0, sigmaNext ** 2 - (sigmaDown * rescale) ** 2));
    sample =
      eta > 0 && sNoise > 0
        ? ops.combine(
            [rescale * ratio, sample],
            [rescale * (1 - ratio), denoised],
            [deviation * sNoise, noise(sample.dims)],
          )
        : ops.combine([ratio, sample], [1 - ratio, denoised]);
  }
  return sample;
}
