// Strategic stochastic sampling of trajectory consistency models (Zheng et al. 2024, algorithm 2).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { NoiseLevel } from './noise-level.ts';
import type { Noise, Sampler } from './sampler.ts';
import type { Prediction } from './transition.ts';

/** One round: to a level `s` along the trajectory, then with noise up to `to`. */
export interface TcdRound {
  readonly timestep: number;
  readonly from: NoiseLevel;
  readonly s: NoiseLevel;
  readonly to: NoiseLevel;
}

export interface TcdOptions {
  ops: TensorOps;
  sample: Tensor;
  rounds: readonly TcdRound[];
  noise: Noise;
  /** Whether noise is added between the rounds: not where `s` is `to`. */
  stochastic: boolean;
  beginIndex?: number;
}

/** TCD: one evaluation a round; noise is added after all but the last. */
export function* tcd({
  ops,
  rounds,
  noise,
  stochastic,
  beginIndex = 0,
  ...options
}: TcdOptions): Sampler<Prediction> {
  let { sample }: { sample: Tensor } = options;
  for (let step = beginIndex; step < rounds.length; step++) {
    const { timestep, from, s, to } = rounds[step]!;
    const { denoised, noise: noisePred }: Prediction = yield {
      step,
      timestep,
      sigma: from.sigma / from.alpha,
      sample,
    };
    if (!stochastic || step === rounds.length - 1) {
      sample = ops.combine([s.alpha, denoised], [s.sigma, noisePred]);
      continue;
    }
    const ratio = to.alpha / s.alpha;
    const added = Math.sqrt(1 - ratio ** 2);
    sample = ops.combine(
      [ratio * s.alpha, denoised],
      [ratio * s.sigma, noisePred],
      [added, noise(sample.dims)],
    );
  }
  return sample;
}
