// A step between two timesteps of a noise schedule, for the samplers that are written in terms of those.
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { NoiseLevel } from './noise-level.ts';

/** From the noise level of a timestep to a lower one, which need not be that of the next timestep. */
export interface Transition {
  readonly timestep: number;
  readonly from: NoiseLevel;
  readonly to: NoiseLevel;
}

/** The network's output in the two forms that samplers ask for. */
export interface Prediction {
  /** x̂₀, clipped or thresholded where the scheduler says so. */
  readonly denoised: Tensor;
  /** The predicted noise; not of the clipped x̂₀. */
  readonly noise: Tensor;
}

/**
 * The sample at `to` if its noise is `noisePred` (Song et al. 2021, eq. 12 without added noise). From pure noise, of
 * which x̂₀ can't be told, the noise alone is scaled.
 */
export function transfer(
  ops: TensorOps,
  sample: Tensor,
  noisePred: Tensor,
  from: NoiseLevel,
  to: NoiseLevel,
): Tensor {
  if (from.alpha === 0) return ops.combine([to.sigma, noisePred]);
  const ratio = to.alpha / from.alpha;
  return ops.combine([ratio, sample], [to.sigma - ratio * from.sigma, noisePred]);
}
