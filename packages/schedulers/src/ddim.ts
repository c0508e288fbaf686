// Denoising diffusion implicit models (Song et al. 2021).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { Noise, Sampler } from './sampler.ts';
import type { Prediction, Transition } from './transition.ts';

export interface DdimOptions {
  ops: TensorOps;
  sample: Tensor;
  transitions: readonly Transition[];
  beginIndex?: number;
  /** Amount of noise added: 0 none, 1 DDPM's (σ of eq. 16). */
  eta?: number;
  /** Needed if `eta` is above 0. */
  noise?: Noise;
}

/** Deviation of the noise that DDPM's posterior adds in a step (Song et al. 2021, eq. 16 with η = 1). */
export function posteriorDeviation({ from, to }: Transition): number {
  return (to.sigma / from.sigma) * Math.sqrt(Math.max(0, 1 - (from.alpha / to.alpha) ** 2));
}

/** DDIM: order 1, one evaluation a step, stochastic if `eta` is above 0 (Song et al. 2021, eq. 12). */
export function* ddim(options: DdimOptions): Sampler<Prediction> {
  const { ops, transitions, beginIndex = 0, eta = 0, noise } = options;
  let { sample } = options;
  for (let step = beginIndex; step < transitions.length; step++) {
    const transition = transitions[step]!;
    const { timestep, from, to } = transition;
    const prediction: Prediction = yield { step, timestep, sigma: from.sigma / from.alpha, sample };
    const deviation = eta > 0 ? eta * posteriorDeviation(transition) : 0;
    const direction = Math.sqrt(Math.max(0, to.sigma ** 2 - deviation ** 2));
    const { denoised, noise: noisePred } = prediction;
    sample =
      eta > 0 && noise
        ? ops.combine([to.alpha, denoised], [direction, noisePred], [deviation, noise(sample.dims)])
        : ops.combine([to.alpha, denoised], [direction, noisePred]);
  }
  return sample;
}
