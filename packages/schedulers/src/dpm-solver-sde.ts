// DPM-Solver++ (2S) with noise at both of its stages: the "DPM++ SDE" of k-diffusion (Crowson 2022).
import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import type { MidpointOptions } from './dpm2.ts';
import type { Sampler, StochasticOptions } from './sampler.ts';

/**
 * DPM++ SDE: two evaluations a step but for the last; stochastic, variance exploding. The noise of both stages is asked
 * for by its interval, so that it can be of one Brownian path. `step` of its questions counts evaluations.
 */
export function* dpmSolverSde(options: MidpointOptions & StochasticOptions & { eta?: number }): Sampler {
  const { ops, sigmas, timesteps, timestepOf, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;

  /** The sample at `to`, from `start` at `from`, when x̂₀ is `denoised`. */
  const step = (start: Tensor, denoised: Tensor, from: number, to: number) => {
    const { sigmaDown, sigmaUp } = ancestralStep(from, to, eta);
    const ratio = sigmaDown / from;
    return ops.combine(
      [ratio, start],
      [1 - ratio, denoised],
      [sigmaUp * sNoise, noise(start.dims, { from, to })],
    );
  };

  for (let index = beginIndex; index < timesteps.length; index++) {
    const [sigma, sigmaNext] = [sigmas[index]!, sigmas[index + 1]!];
    const denoised: Tensor = yield { step: 2 * index, timestep: timesteps[index]!, sigma, sample };
    if (sigmaNext === 0) {
      sample = denoised;
      continue;
    }
    const sigmaMid = Math.sqrt(sigma * sigmaNext);
    const middle = step(sample, denoised, sigma, sigmaMid);
    const question = { step: 2 * index + 1, timestep: timestepOf(sigmaMid), sigma: sigmaMid, sample: middle };
    const answer: Tensor = yield question;
    sample = step(sample, answer, sigma, sigmaNext);
  }
  return sample;
}
