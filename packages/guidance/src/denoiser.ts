// What guidance wraps: something that evaluates the network.
import type { Tensor } from '@emulsion/tensor';

/** One evaluation of the network that is wanted. */
export interface Evaluation<Condition> {
  /** Index of the question among those of the sampler. */
  readonly step: number;
  /** What the network is fed for time. */
  readonly timestep: number;
  /** Noise level of the sample. */
  readonly sigma: number;
  /** The network's input, scaled: `[batch, channels, height, width]`. */
  readonly sample: Tensor;
  /** What the picture is to show, in whatever form the network takes it. */
  readonly condition: Condition;
}

/**
 * Evaluates the network: one answer for each evaluation, in their order, a model output of its sample's dims unless
 * the type says otherwise. Evaluations that are asked for together may be run as one batch.
 */
export type Denoiser<Condition, Answer = Tensor> = (
  evaluations: readonly Evaluation<Condition>[],
) => Promise<Answer[]>;
