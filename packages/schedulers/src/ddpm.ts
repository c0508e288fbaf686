// Denoising diffusion probabilistic models: the posterior of each step, and a sample from it (Ho et al. 2020).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { Noise, Sampler } from './sampler.ts';
import type { Transition } from './transition.ts';

export interface DdpmTransition extends Transition {
  /** The β of the training schedule, where the step goes down by one timestep. */
  readonly beta?: number;
  /** Draw noise for this step, and add none. */
  readonly quiet?: boolean;
}

/**
 * Deviation of the noise of a step. `small`: the posterior's (eq. 7); `large`: √β. `learned`: the network predicts
 * the variance; `learned_range`: it predicts where between the two it lies, -1 to 1 (Nichol and Dhariwal 2021, eq. 15).
 */
export const ddpmVariances = ['small', 'large', 'learned', 'learned_range'] as const;
export type DdpmVariance = (typeof ddpmVariances)[number];

/** The network's output as DDPM takes it. */
export interface DdpmAnswer {
  readonly denoised: Tensor;
  /** What the network predicts of the variance, for the learned ones. */
  readonly variance?: Tensor;
}

export interface DdpmOptions {
  ops: TensorOps;
  sample: Tensor;
  transitions: readonly DdpmTransition[];
  noise: Noise;
  variance?: DdpmVariance;
  beginIndex?: number;
}

/** The posterior of a step: weights of x̂₀ and of the sample in its mean, and its variance (eq. 7). */
function posterior({ from, to, beta }: DdpmTransition) {
  const kept = (from.alpha / to.alpha) ** 2;
  const added = beta ?? 1 - kept;
  const power = from.sigma ** 2;
  return {
    denoised: (to.alpha * added) / power,
    sample: (Math.sqrt(beta === undefined ? kept : 1 - beta) * to.sigma ** 2) / power,
    small: Math.max((to.sigma ** 2 / power) * added, 1e-20),
    large: added,
  };
}

/** DDPM: order 1, stochastic, one evaluation a step; the step from timestep 0 adds no noise. */
export function* ddpm(options: DdpmOptions): Sampler<DdpmAnswer> {
  const { ops, transitions, noise, variance = 'small', beginIndex = 0 } = options;
  let { sample } = options;
  for (let step = beginIndex; step < transitions.length; step++) {
    const transition = transitions[step]!;
    const { timestep, from } = transition;
    const answer: DdpmAnswer = yield { step, timestep, sigma: from.sigma / from.alpha, sample };
    const { small, large, ...mean } = posterior(transition);
    const dims = sample.dims;
    sample = ops.combine([mean.denoised, answer.denoised], [mean.sample, sample]);
    if (timestep <= 0) continue;
    const drawn = noise(dims);
    if (transition.quiet) continue;
    if (variance === 'small' || variance === 'large' || !answer.variance) {
      sample = ops.combine([1, sample], [Math.sqrt(variance === 'large' ? large : small), drawn]);
    } else if (variance === 'learned') {
      sample = ops.combine([1, sample], [1, ops.multiply(ops.sqrt(answer.variance), drawn)]);
    } else {
      // log σ² = v log large + (1 - v) log small, v = (prediction + 1) / 2
      const [low, high] = [Math.log(small), Math.log(large)];
      const deviation = ops.exp(ops.combine([(high - low) / 4, answer.variance]));
      sample = ops.combine([1, sample], [Math.exp((high + low) / 4), ops.multiply(deviation, drawn)]);
    }
  }
  return sample;
}
