// An array of the golden data, exactly as it was recorded.
import { type Folder, readTensor, type Weight } from '@emulsion/checkpoints';
import { sizeOf, type Tensor } from '@emulsion/tensor';

/** The typed arrays of the element types that the data has; float16 is widened to float32, which is exact. */
interface GoldenData {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint32: Uint32Array;
  bool: Uint8Array;
}

/** A recorded array. */
export interface GoldenArray {
  readonly dims: readonly number[];
  readonly data: GoldenData[keyof GoldenData];
}

/** Reads an array without a change to any of its values. */
export async function readArray(folder: Folder, weight: Weight): Promise<GoldenArray> {
  const { dtype, dims, path, range } = weight;
  if (dtype === 'float16') return readTensor(folder, weight);
  // A copy starts at an address that every typed array can start at.
  const { buffer } = (await folder.read(path, range)).slice();
  switch (dtype) {
    case 'float32':
      return { dims, data: new Float32Array(buffer) };
    case 'float64':
      return { dims, data: new Float64Array(buffer) };
    case 'int32':
      return { dims, data: new Int32Array(buffer) };
    case 'int64':
      return { dims, data: new BigInt64Array(buffer) };
    case 'uint32':
      return { dims, data: new Uint32Array(buffer) };
    case 'uint8':
    case 'bool':
      return { dims, data: new Uint8Array(buffer) };
    default:
      throw new Error(
        `golden: ${path} has "${weight.name}" of type ${dtype}. Teach golden-array.ts to read it.`,
      );
  }
}

/** Element `index` of a stack: the slice of a tensor at that place of its first dimension, without that dimension. */
export function unstack({ dims, data }: Tensor, index: number): Tensor {
  const [, ...rest] = dims;
  const length = sizeOf(rest);
  return { dtype: 'float32', dims: rest, data: data.slice(index * length, (index + 1) * length) };
}
