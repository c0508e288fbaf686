// What operations on several tensors ask of their dims.
import { ShapeError } from './errors.ts';
import type { Tensor } from './tensor.ts';

/**
 * @param operation what messages call the operation
 * @throws {ShapeError} if the tensors have not all the same dims
 */
export function assertSameDims(operation: string, first: Tensor, ...others: Tensor[]): void {
  for (const other of others) {
    if (other.dims.length !== first.dims.length || other.dims.some((dim, axis) => dim !== first.dims[axis])) {
      throw new ShapeError(
        `${operation}: [${other.dims.join(', ')}] does not match [${first.dims.join(', ')}]. Give tensors of equal dims.`,
      );
    }
  }
}
