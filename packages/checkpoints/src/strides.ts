// Tensors whose elements lie otherwise than in row-major order: transposed ones, or convolutions with channels last.

/** The strides, in elements, of a tensor in row-major order. */
export function contiguousStrides(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= dims[axis]!;
  }
  return strides;
}

/** Whether the elements lie in row-major order; the stride of a dimension of size 1 means nothing. */
export function isContiguous(dims: readonly number[], strides: readonly number[]): boolean {
  return contiguousStrides(dims).every((stride, axis) => dims[axis] === 1 || strides[axis] === stride);
}

/** Elements from the first to the last of a tensor that is not empty, both included. */
export const spanOf = (dims: readonly number[], strides: readonly number[]): number =>
  dims.reduce((last, dim, axis) => last + (dim - 1) * strides[axis]!, 0) + 1;

/**
 * The elements in row-major order.
 * @param bytes what the tensor's span takes
 * @param strides in elements
 */
export function copyStrided(
  bytes: Uint8Array,
  dims: readonly number[],
  strides: readonly number[],
  elementBytes: number,
): Uint8Array {
  const copy = new Uint8Array(dims.reduce((size, dim) => size * dim, elementBytes));
  const index = dims.map(() => 0);
  let from = 0;
  for (let to = 0; to < copy.length; to += elementBytes) {
    for (let i = 0; i < elementBytes; i++) copy[to + i] = bytes[from * elementBytes + i]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      from -= dims[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return copy;
}
