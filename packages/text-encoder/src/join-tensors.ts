// Tensors side by side or one after the other.
import { sizeOf, type Tensor, tensor } from '@emulsion/tensor';

/** Tensors joined along an axis; their other dims are equal. */
export function joinTensors(parts: readonly Tensor[], axis: number): Tensor {
  const { dims } = parts[0]!;
  const rows = sizeOf(dims.slice(0, axis));
  const lengths = parts.map((part) => sizeOf(part.dims.slice(axis)));
  const joined = new Float32Array(rows * lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (const [i, { data }] of parts.entries()) {
      const length = lengths[i]!;
      joined.set(data.subarray(row * length, (row + 1) * length), at);
      at += length;
    }
  }
  const size = parts.reduce((sum, part) => sum + part.dims[axis]!, 0);
  return tensor(joined, dims.with(axis, size));
}

/** A tensor with zeros after its last axis, up to `length`. */
export function padLastAxis(x: Tensor, length: number): Tensor {
  const missing = length - x.dims.at(-1)!;
  if (missing <= 0) return x;
  const dims = x.dims.with(-1, missing);
  return joinTensors([x, tensor(new Float32Array(sizeOf(dims)), dims)], dims.length - 1);
}
