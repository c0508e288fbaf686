// Heun's method for flow matching, with the churn of Karras et al. (2022) as diffusers has it.
import type { Tensor } from '@emulsion/tensor';
import { type Churn, churnFactor } from './late-churn-euler.ts';
import type { Noise, Sampler, SamplerOptions } from './sampler.ts';

export interface FlowHeunOptions extends Omit<SamplerOptions, 'process'>, Partial<Churn> {
  /** Needed if `sChurn` is above 0. */
  noise?: Noise;
}

/** Heun's method along a velocity: order 2, two evaluations a step but for the last; `step` counts evaluations. */
export function* flowHeun(options: FlowHeunOptions): Sampler {
  const { ops, sigmas, timesteps, noise, sChurn = 0, sNoise = 1, beginIndex = 0 } = options;
  // The amount is spread over all evaluations.
  const evaluations = 2 * timesteps.length - 1;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const [sigma, sigmaNext] = [sigmas[step]!, sigmas[step + 1]!];
    const velocityPred: Tensor = yield { step: 2 * step, timestep: timesteps[step]!, sigma, sample };
    const gamma = churnFactor({ ...options, sChurn }, sigma, evaluations);
    const sigmaHat = sigma * (1 + gamma);
    if (gamma > 0 && noise) {
      const deviation = sNoise * Math.sqrt(sigmaHat ** 2 - sigma ** 2);
      sample = ops.combine([1, sample], [deviation, noise(sample.dims)]);
    }
    const delta = sigmaNext - sigmaHat;
    const slope = sigma / sigmaHat;
    const predicted = ops.combine([1, sample], [delta * slope, velocityPred]);
    if (step === timesteps.length - 1) return predicted;
    const question = {
      step: 2 * step + 1,
      timestep: timesteps[step + 1]!,
      sigma: sigmaNext,
      sample: predicted,
    };
    const corrected: Tensor = yield question;
    // diffusers draws for the second evaluation too, and does not use it; so do we, for the same noise afterwards.
    if (gamma > 0 && noise) noise(sample.dims);
    sample = ops.combine([1, sample], [(delta * slope) / 2, velocityPred], [delta / 2, corrected]);
  }
  return sample;
}
