// The contract of samplers: a generator that asks for evaluations and is sent the answers.
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { NoiseProcess } from './noise-level.ts';

/** What a sampler wants evaluated: the sample at one noise level. */
export interface SamplerQuestion {
  /** Which evaluation of the plan this is, counted from 0. */
  readonly step: number;
  /** What the network is fed as the time. */
  readonly timestep: number;
  /** The noise level of `sample`, in the unit of the plan's `sigmas`. */
  readonly sigma: number;
  /** The current state, not scaled. */
  readonly sample: Tensor;
}

/**
 * A sampler: asks questions, is sent the answers, and returns the last state. The answer is a tensor with the dims of
 * the state: most samplers take `denoised` (x̂₀), and say so where they take something else.
 */
export type Sampler<Answer = Tensor> = Generator<SamplerQuestion, Tensor, Answer>;

/** The two noise levels that a draw of noise lies between, in the unit of the plan's `sigmas`. */
export interface NoiseInterval {
  readonly from: number;
  readonly to: number;
}

/**
 * Draws a tensor of independent normal numbers. Samplers of stochastic differential equations name the interval that
 * the noise belongs to, so that a Brownian path can give it; others leave it out, and each call is a fresh draw.
 */
export type Noise = (dims: readonly number[], interval?: NoiseInterval) => Tensor;

/** What every sampler takes. */
export interface SamplerOptions {
  ops: TensorOps;
  /** The first state: noise at the first of `sigmas`, or at that of `beginIndex`. */
  sample: Tensor;
  /** Noise levels, descending, one more than the steps. */
  sigmas: readonly number[];
  /** What the network is fed at each of `sigmas` but the last. */
  timesteps: readonly number[];
  /** What the `sigmas` mean; variance exploding if not given. */
  process?: NoiseProcess;
  /** The step to start with, 0 if not given: later ones start from a less noisy sample. */
  beginIndex?: number;
}

/** What a sampler that adds noise takes besides. */
export interface StochasticOptions {
  noise: Noise;
  /** Factor of the noise that is added, 1 if not given. */
  sNoise?: number;
}
