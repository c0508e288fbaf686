// Sampling of consistency models: x̂₀ at once, and noise again for the next round (Song et al. 2023, algorithm 1).
import type { InterpolationMode, Tensor, TensorOps } from '@emulsion/tensor';
import type { NoiseLevel } from './noise-level.ts';
import type { Noise, Sampler } from './sampler.ts';

/** One round: what the network is fed, and the level of the noise that is added to x̂₀ after it. */
export interface Round {
  readonly timestep: number;
  readonly sigma: number;
  /** `undefined`: x̂₀ is the result, and no noise is drawn. */
  readonly to: NoiseLevel | undefined;
  /** Height and width that x̂₀ is resized to before noise is added, if it is. */
  readonly size?: readonly [height: number, width: number];
}

export interface RenoiseOptions {
  ops: TensorOps;
  sample: Tensor;
  rounds: readonly Round[];
  noise: Noise;
  beginIndex?: number;
  /** How x̂₀ is resized. */
  upscaleMode?: InterpolationMode;
}

/** Goes to x̂₀ in every round and back to noise between them: one evaluation a round, stochastic. */
export function* renoise(options: RenoiseOptions): Sampler {
  const { ops, rounds, noise, beginIndex = 0, upscaleMode = 'bicubic' } = options;
  let { sample } = options;
  for (let step = beginIndex; step < rounds.length; step++) {
    const { timestep, sigma, to, size } = rounds[step]!;
    const answer: Tensor = yield { step, timestep, sigma, sample };
    const denoised = size ? ops.interpolate(answer, ...size, upscaleMode) : answer;
    sample = to ? ops.combine([to.alpha, denoised], [to.sigma, noise(denoised.dims)]) : denoised;
  }
  return sample;
}
