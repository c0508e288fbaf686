// DPM2: the midpoint method in log sigma (Karras et al. 2022, algorithm 2, as k-diffusion changed it).
import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

/** Samplers that evaluate at levels between those of the plan. */
export interface MidpointOptions extends Omit<SamplerOptions, 'process'> {
  /** What the network is fed at a level that is not in the plan. */
  timestepOf: (sigma: number) => number;
}

/** DPM2: order 2, two evaluations a step but for the last; variance exploding. `step` counts evaluations. */
export function* dpm2(options: MidpointOptions): Sampler {
  const { sigmas, timesteps, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    sample = yield* midpointStep(options, step, sample, sigmas[step + 1]!);
  }
  return sample;
}

/** DPM2 ancestral: DPM2 with noise added after each step but the last; stochastic. */
export function* dpm2Ancestral(options: MidpointOptions & StochasticOptions & { eta?: number }): Sampler {
  const { ops, sigmas, timesteps, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const sigmaNext = sigmas[step + 1]!;
    const { sigmaDown, sigmaUp } = ancestralStep(sigmas[step]!, sigmaNext, eta);
    sample = yield* midpointStep(options, step, sample, sigmaDown);
    if (sigmaNext > 0) sample = ops.combine([1, sample], [sigmaUp * sNoise, noise(sample.dims)]);
  }
  return sample;
}

/** A step to `sigmaNext` by the derivative halfway in log sigma. */
function* midpointStep(options: MidpointOptions, step: number, sample: Tensor, sigmaNext: number): Sampler {
  const { ops, sigmas, timesteps, timestepOf } = options;
  const sigma = sigmas[step]!;
  const denoised: Tensor = yield { step: 2 * step, timestep: timesteps[step]!, sigma, sample };
  const sigmaMid = Math.sqrt(sigma * sigmaNext);
  const ratio = sigmaMid / sigma;
  const middle = ops.combine([ratio, sample], [1 - ratio, denoised]);
  if (sigmaNext === 0) return middle;
  const answer: Tensor = yield {
    step: 2 * step + 1,
    timestep: timestepOf(sigmaMid),
    sigma: sigmaMid,
    sample: middle,
  };
  const slope = (sigmaNext - sigma) / sigmaMid;
  return ops.combine([1, sample], [slope, middle], [-slope, answer]);
}
