// What guidance overdrives is scaled back (Lin et al. 2023, arXiv 2305.08891, section 3.4).
import { InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';

/**
 * Scales a share of a guided output back to the deviation that the positive condition's has.
 * @throws {InvalidArgumentError} if the share is not from 0 to 1
 */
export function rescaling(ops: TensorOps, share: number): (guided: Tensor, positive: Tensor) => Tensor {
  if (!(share >= 0 && share <= 1))
    throw new InvalidArgumentError(`guidanceRescale is ${share}. Give a number from 0 to 1; 0 is off.`);
  return (guided, positive) =>
    share === 0
      ? guided
      : ops.combine([share, ops.matchStandardDeviation(guided, positive)], [1 - share, guided]);
}
