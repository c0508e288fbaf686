// The backend-agnostic tensor interface: what samplers and guidance compute with, on the CPU or without leaving a GPU.
import type { InterpolationMode } from './interpolate.ts';
import type { Tensor } from './tensor.ts';

/** One term of a weighted sum. The weight is worked out beforehand in float64, and rounded to float32. */
export type Term = readonly [weight: number, tensor: Tensor];

/** Memory that nobody needs any more, for a sum and for its product with a factor. */
export interface SumMemory {
  readonly sum?: Tensor | undefined;
  readonly product?: Tensor | undefined;
}

/**
 * Arithmetic on float32 tensors. Every operation that is given no memory gives a new tensor and leaves its arguments alone;
 * the first dimension is the batch. Tensors of one call have equal dims.
 */
export interface TensorOps {
  /** The weighted sum of the terms: `Σ weight · tensor`, in float32 from the first term on. */
  combine(...terms: readonly [Term, ...Term[]]): Tensor;
  /**
   * `combine` into the memory of `out`, which nobody may need any more, and which comes back with the sum in it. What
   * makes no use of memory again may give a new tensor.
   */
  combineInto(out: Tensor, ...terms: readonly [Term, ...Term[]]): Tensor;
  /**
   * `combine`, and the sum times a factor beside it. What `out` has of them is written into that memory, as by
   * `combineInto`.
   */
  combineAndScale(
    factor: number,
    out: SumMemory,
    ...terms: readonly [Term, ...Term[]]
  ): readonly [sum: Tensor, product: Tensor];
  /** `scale · x + shift`, element by element. */
  affine(x: Tensor, scale: number, shift: number): Tensor;
  /** The product of two tensors, element by element. */
  multiply(a: Tensor, b: Tensor): Tensor;
  /** e to the power of each element. */
  exp(x: Tensor): Tensor;
  /** The square root of each element. */
  sqrt(x: Tensor): Tensor;
  /** Each element limited to `[low, high]`. */
  clamp(x: Tensor, low: number, high: number): Tensor;
  /**
   * Dynamic thresholding (Saharia et al. 2022, section 2.3), for each sample of the batch: with s the `ratio`
   * quantile of |x|, limited to `[1, maxValue]`, x is clamped to `[-s, s]` and divided by s.
   */
  dynamicThreshold(x: Tensor, ratio: number, maxValue: number): Tensor;
  /** `x` scaled, for each sample of the batch, to the standard deviation (n - 1 in the denominator) of `reference`. */
  matchStandardDeviation(x: Tensor, reference: Tensor): Tensor;
  /** `x` times the ratio of the lengths of two tensors, each the mean over the batch of the samples' Euclidean lengths. */
  scaleByNorms(x: Tensor, numerator: Tensor, denominator: Tensor): Tensor;
  /** The last two axes resized, as torch's `interpolate`. */
  interpolate(x: Tensor, height: number, width: number, mode: InterpolationMode): Tensor;
  /** Tensors joined along an axis, the batch if not given. */
  concat(tensors: readonly Tensor[], axis?: number): Tensor;
  /** The part from `start` (included) to `end` (excluded) of an axis, the batch if not given. */
  slice(x: Tensor, start: number, end: number, axis?: number): Tensor;
}
