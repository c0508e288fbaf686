// DPM-Solver++ (2S) with ancestral noise: the "DPM++ 2S a" of k-diffusion (Crowson 2022).
import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import type { MidpointOptions } from './dpm2.ts';
import type { Sampler, StochasticOptions } from './sampler.ts';

/**
 * DPM++ 2S ancestral: two evaluations a step but for the last; stochastic, and order 2 without noise; variance
 * exploding. `step` of its questions counts evaluations.
 * @param options.eta amount of noise: 1 is DDPM's, 0 makes it DPM-Solver++ (2S)
 */
export function* dpmSolver2SAncestral(
  options: MidpointOptions & StochasticOptions & { eta?: number },
): Sampler {
  const { ops, sigmas, timesteps, timestepOf, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  for (let index = beginIndex; index < timesteps.length; index++) {
    const [sigma, sigmaNext] = [sigmas[index]!, sigmas[index + 1]!];
    const { sigmaDown, sigmaUp } = ancestralStep(sigma, sigmaNext, eta);
    const denoised: Tensor = yield { step: 2 * index, timestep: timesteps[index]!, sigma, sample };
    if (sigmaDown === 0) {
      sample = sigmaNext > 0 ? ops.combine([1, denoised], [sigmaUp * sNoise, noise(sample.dims)]) : denoised;
      continue;
    }
    const sigmaMid = Math.sqrt(sigma * sigmaDown);
    const half = sigmaMid / sigma;
    const middle = ops.combine([half, sample], [1 - half, denoised]);
    const question = { step: 2 * index + 1, timestep: timestepOf(sigmaMid), sigma: sigmaMid, sample: middle };
    const answer: Tensor = yield question;
    const ratio = sigmaDown / sigma;
    sample = ops.combine([ratio, sample], [1 - ratio, answer], [sigmaUp * sNoise, noise(sample.dims)]);
  }
  return sample;
}
