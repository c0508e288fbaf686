// The dims of tensors that are joined.
import { ShapeError } from './errors.ts';
import type { Tensor } from './tensor.ts';

/**
 * Dims of tensors joined along an axis.
 * @throws {ShapeError} if there are none, or they differ in another axis too
 */
export function joinedDims(tensors: readonly Tensor[], axis: number): number[] {
  const [first] = tensors;
  if (!first) throw new ShapeError('concat: no tensors were given. Give at least one.');
  for (const { dims } of tensors) {
    if (dims.length !== first.dims.length || dims.some((dim, i) => i !== axis && dim !== first.dims[i])) {
      throw new ShapeError(
        `concat: [${dims.join(', ')}] does not continue [${first.dims.join(', ')}]. Give tensors that differ in ${axis === 0 ? 'the batch' : `axis ${axis}`} only.`,
      );
    }
  }
  return first.dims.map((dim, i) =>
    i === axis ? tensors.reduce((sum, { dims }) => sum + dims[axis]!, 0) : dim,
  );
}
