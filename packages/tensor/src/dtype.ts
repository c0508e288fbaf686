// Element types, and the typed arrays that hold them.

/** Element types of tensors. `float16` is held as its 16 bits; see `toFloat16` and `fromFloat16`. */
export const dtypes = ['float32', 'float64', 'float16', 'int32', 'int64', 'uint8', 'bool'] as const;
export type DType = (typeof dtypes)[number];

/** The typed array that holds the elements of a dtype. */
export interface TensorData {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/** Bytes per element. */
export const bytesPerElement: { readonly [D in DType]: number } = {
  float32: 4,
  float64: 8,
  float16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

const constructors: { readonly [D in DType]: new (length: number) => TensorData[D] } = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** A zeroed array of `length` elements of `dtype`. */
export function allocate<D extends DType>(dtype: D, length: number): TensorData[D] {
  return new constructors[dtype](length);
}
