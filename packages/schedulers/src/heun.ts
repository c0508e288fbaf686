// Heun's method along the probability flow (Karras et al. 2022, algorithm 1).
import type { Tensor } from '@emulsion/tensor';
import type { Sampler, SamplerOptions } from './sampler.ts';

/**
 * Heun's method: order 2, two evaluations a step but for the last, if that ends without noise; variance exploding.
 * `step` of its questions counts evaluations: 0 and 1 belong to the first step.
 */
export function* heun(options: Omit<SamplerOptions, 'process'>): Sampler {
  const { ops, sigmas, timesteps, beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const sigma = sigmas[step]!;
    const sigmaNext = sigmas[step + 1]!;
    const denoised: Tensor = yield { step: 2 * step, timestep: timesteps[step]!, sigma, sample };
    const ratio = sigmaNext / sigma;
    const predicted = ops.combine([ratio, sample], [1 - ratio, denoised]);
    if (sigmaNext === 0 || step + 1 === timesteps.length) {
      sample = predicted;
      continue;
    }
    const corrected: Tensor = yield {
      step: 2 * step + 1,
      timestep: timesteps[step + 1]!,
      sigma: sigmaNext,
      sample: predicted,
    };
    // x + Δσ/2 (d + d'), with d = (x - denoised)/σ at either end.
    const half = (sigmaNext - sigma) / 2;
    sample = ops.combine(
      [1 + half / sigma, sample],
      [-half / sigma, denoised],
      [half / sigmaNext, predicted],
      [-half / sigmaNext, corrected],
    );
  }
  return sample;
}
