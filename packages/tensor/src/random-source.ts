// What every generator of random numbers offers to `createRng`, and the rounding of its draws to a float type.
import { fromFloat16, toFloat16 } from './float16.ts';

/** Float types that random numbers can be drawn in. */
export const drawDtypes = ['float32', 'float64', 'float16', 'bfloat16'] as const;
export type DrawDType = (typeof drawDtypes)[number];

/** A generator. Its draws are given as float64, which holds the values of every float type exactly. */
export interface RandomSource {
  /** `size` draws of mean 0 and variance 1. */
  normal(size: number, dtype: DrawDType): Float64Array;
  /** `size` draws from [0, 1). */
  uniform(size: number, dtype: DrawDType): Float64Array;
  /** `size` integers from [low, high), where low < high. */
  integers(low: bigint, high: bigint, size: number): BigInt64Array;
  /** The integers 0 to size - 1 in random order. */
  permutation(size: number): BigInt64Array;
}

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** The nearest bfloat16, ties to even; bfloat16 is the upper half of a float32. */
function toNearestBfloat16(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  bitsView[0] = bits + 0x7fff + ((bits >>> 16) & 1);
  bitsView[0] &= 0xffff0000;
  return floatView[0];
}

/** Rounds finite `values` in place to the nearest of `dtype`, by way of float32 as torch does, and gives them back. */
export function roundTo(dtype: DrawDType, values: Float64Array): Float64Array {
  if (dtype === 'float64') return values;
  if (dtype === 'float16') values.set(fromFloat16(toFloat16(Float32Array.from(values))));
  else if (dtype === 'bfloat16') values.set(values.map(toNearestBfloat16));
  else values.set(Float32Array.from(values));
  return values;
}
