// A tensor: elements in row-major order and the size of each dimension.
import { allocate, type DType, type TensorData } from './dtype.ts';
import { ShapeError } from './errors.ts';

/** A dense tensor in row-major order, float32 unless said otherwise. */
export interface Tensor<D extends DType = 'float32'> {
  readonly dtype: D;
  readonly dims: readonly number[];
  readonly data: TensorData[D];
}

/** A tensor of any element type, told apart by `dtype`. */
export type AnyTensor = { [D in DType]: Tensor<D> }[DType];

/** Number of elements of a tensor with these dimensions. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((size, dim) => size * dim, 1);
}

const dtypeOf = (data: TensorData[DType]): DType => {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Uint16Array) return 'float16';
  return 'uint8';
};

/**
 * A tensor over `data`, which is not copied unless it is a plain array of numbers (float32).
 * @param dims size of each dimension; `[]` is a scalar
 * @param dtype only needed for `bool`, which shares its typed array with `uint8`
 * @throws {ShapeError} if `dims` do not multiply to the number of elements
 */
export function tensor(data: Float32Array | readonly number[], dims: readonly number[]): Tensor;
export function tensor<D extends DType>(data: TensorData[D], dims: readonly number[], dtype: D): Tensor<D>;
export function tensor(data: Float64Array, dims: readonly number[]): Tensor<'float64'>;
export function tensor(data: Int32Array, dims: readonly number[]): Tensor<'int32'>;
export function tensor(data: BigInt64Array, dims: readonly number[]): Tensor<'int64'>;
export function tensor(data: Uint16Array, dims: readonly number[]): Tensor<'float16'>;
export function tensor(data: Uint8Array, dims: readonly number[]): Tensor<'uint8'>;
export function tensor(
  data: TensorData[DType] | readonly number[],
  dims: readonly number[],
  dtype?: DType,
): Tensor<DType> {
  const elements = ArrayBuffer.isView(data) ? data : Float32Array.from(data);
  if (dims.some((dim) => !Number.isInteger(dim) || dim < 0) || sizeOf(dims) !== elements.length) {
    throw new ShapeError(
      `tensor: dims [${dims.join(', ')}] do not describe ${elements.length} elements. Give dimensions that multiply to the length of the data.`,
    );
  }
  return { dtype: dtype ?? dtypeOf(elements), dims: [...dims], data: elements };
}

/** A tensor of zeros. */
export function zeros<D extends DType = 'float32'>(dims: readonly number[], dtype?: D): Tensor<D> {
  // The default of the type parameter is the default of the argument.
  const kind = (dtype ?? 'float32') as D;
  return { dtype: kind, dims: [...dims], data: allocate(kind, sizeOf(dims)) };
}
