// Predictor-corrector sampling of a variance exploding diffusion (Song et al. 2021, algorithms 2 and 4).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { Noise, Sampler } from './sampler.ts';

/** A level: what the network is fed, and the discrete level of the step and of the one below. */
export interface ScoreSdeStep {
  readonly timestep: number;
  readonly sigma: number;
  readonly discreteSigma: number;
  readonly adjacentSigma: number;
}

export interface ScoreSdeVeOptions {
  ops: TensorOps;
  sample: Tensor;
  steps: readonly ScoreSdeStep[];
  noise: Noise;
  /** Langevin steps at each level. */
  correctSteps: number;
  /** Ratio of signal to noise of a Langevin step. */
  snr: number;
  beginIndex?: number;
}

/**
 * Annealed Langevin steps at each level, then a reverse diffusion step; stochastic, `correctSteps` + 1 evaluations a
 * step. The answers are the score. The noise of the last step is left out of the result, as it only blurs it.
 */
export function* scoreSdeVe(options: ScoreSdeVeOptions): Sampler {
  const { ops, steps, noise, correctSteps, snr, beginIndex = 0 } = options;
  let { sample } = options;
  let mean = sample;
  for (let step = beginIndex; step < steps.length; step++) {
    const { timestep, sigma, discreteSigma, adjacentSigma } = steps[step]!;
    for (let k = 0; k < correctSteps; k++) {
      const score: Tensor = yield { step, timestep, sigma, sample };
      const drawn = noise(sample.dims);
      // Step size ε = 2 (snr ‖z‖ / ‖score‖)²: x + ε score + √(2ε) z
      const once = ops.scaleByNorms(score, drawn, score);
      const size = ops.scaleByNorms(once, drawn, score);
      sample = ops.combine(
        [1, sample],
        [2 * snr ** 2, size],
        [2 * snr, ops.scaleByNorms(drawn, drawn, score)],
      );
    }
    const score: Tensor = yield { step, timestep, sigma, sample };
    const power = discreteSigma ** 2 - adjacentSigma ** 2;
    mean = ops.combine([1, sample], [power, score]);
    sample = ops.combine([1, mean], [Math.sqrt(power), noise(sample.dims)]);
  }
  return mean;
}
