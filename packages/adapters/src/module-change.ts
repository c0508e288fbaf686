// What an adapter does to a model: changes of its modules' weights and biases, each in proportion to a strength.
import type { Tensor } from '@emulsion/tensor';

/** The parts of a model that adapters change; the denoiser is a `unet` or a `transformer`. */
export const components = ['unet', 'transformer', 'textEncoder', 'textEncoder2', 'textEncoder3'] as const;
export type Component = (typeof components)[number];

/**
 * A change of a weight as a product of two thin ones: `up · down` for a linear module, and for a convolution one with
 * the kernel of `down` followed by one of 1×1 with `up`. The scale (alpha / rank) is in `up`.
 */
export interface LowRankChange {
  readonly form: 'low-rank';
  /** `[rank, in]`, of a convolution `[rank, in, kernel height, kernel width]`; modules that a file fuses share its data. */
  readonly down: Tensor;
  /** `[out, rank]`, of a convolution `[out, rank, 1, 1]`. */
  readonly up: Tensor;
}

/** A change that is as large as the weight itself, and worked out when it is asked for. */
export interface FullChange {
  readonly form: 'full';
  /** Whether `delta` looks at the values of `base`, or at its dims alone, so that zeros do as well. */
  readonly needsBase: boolean;
  /**
   * What is added to the weight at strength 1, of the weight's dims, worked out in float64. At strength `s` it is added
   * `s` times.
   * @param base the module's own weight, without other adapters
   */
  readonly delta: (base: Tensor) => Tensor;
}

/** A change of one module's weight at strength 1. */
export type WeightChange = LowRankChange | FullChange;

/** What an adapter changes in one module. There is a `weight`, or a `bias`, or both. */
export interface ModuleChange {
  readonly component: Component;
  /** diffusers' path within the component, for instance `down_blocks.0.attentions.0.proj_in`, without `.weight`. */
  readonly module: string;
  readonly weight?: WeightChange;
  /** What is added to the module's bias at strength 1, `[out]`; a module without a bias has one of zeros. */
  readonly bias?: Tensor;
}
