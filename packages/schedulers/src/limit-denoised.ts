// Keeping x̂₀ in the range of the data.
import type { Tensor, TensorOps } from '@emulsion/tensor';

/** What is done to x̂₀ before it is used. */
export type Limit =
  | { readonly kind: 'none' }
  /** Clamp to `[-range, range]`. */
  | { readonly kind: 'clip'; readonly range: number }
  /** Dynamic thresholding (Saharia et al. 2022, section 2.3). */
  | { readonly kind: 'threshold'; readonly ratio: number; readonly maxValue: number };

/** x̂₀ within its limit. */
export function limitDenoised(ops: TensorOps, denoised: Tensor, limit: Limit): Tensor {
  switch (limit.kind) {
    case 'none':
      return denoised;
    case 'clip':
      return ops.clamp(denoised, -limit.range, limit.range);
    case 'threshold':
      return ops.dynamicThreshold(denoised, limit.ratio, limit.maxValue);
  }
}
