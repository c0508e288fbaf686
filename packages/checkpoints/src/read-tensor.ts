// The values of one weight, read into memory: for adapters and tests. Models use their weights where they lie.
import { type DataType, dataTypeBytes } from '@emulsion/onnx';
import { HalfTensor, type Tensor, tensor, widen } from '@emulsion/tensor';
import type { Folder } from './folder.ts';
import type { Weight } from './weight.ts';

type Read = (view: DataView, byteOffset: number) => number;

const readers: { readonly [T in Exclude<DataType, 'float32' | 'float16' | 'bfloat16'>]: Read } = {
  float64: (view, at) => view.getFloat64(at, true),
  int8: (view, at) => view.getInt8(at),
  int16: (view, at) => view.getInt16(at, true),
  int32: (view, at) => view.getInt32(at, true),
  int64: (view, at) => Number(view.getBigInt64(at, true)),
  uint8: (view, at) => view.getUint8(at),
  uint16: (view, at) => view.getUint16(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  uint64: (view, at) => Number(view.getBigUint64(at, true)),
  bool: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
};

/**
 * The values of a weight as float32, whatever its type in the file: exact for float16 and bfloat16, rounded for types
 * that hold more.
 * @param folder the folder that the weight was opened from
 * @throws {MissingFileError} if the file has gone since
 */
export async function readTensor(folder: Folder, weight: Weight): Promise<Tensor> {
  const { path, range } = weight;
  const { file, offset, length } = range;
  const bytes =
    file.kind === 'bytes'
      ? file.bytes.subarray(offset, offset + length)
      : await folder.read(path, { offset, length });
  return decodeTensor(weight, bytes);
}

/** The values of a weight from its bytes, which are not kept. */
export function decodeTensor({ dtype, dims }: Weight, bytes: Uint8Array): Tensor {
  // Computers that JavaScript runs on have the lowest byte first, as the formats do.
  if (dtype === 'float32') return tensor(new Float32Array(bytes.slice().buffer), dims);
  if (dtype === 'float16' || dtype === 'bfloat16') return tensor(widen(halvesOf(bytes), dtype), dims);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dataTypeBytes[dtype];
  const read = readers[dtype];
  return tensor(
    Float32Array.from({ length: bytes.length / size }, (_, i) => read(view, i * size)),
    dims,
  );
}

/** The values of a weight from its bytes, which it keeps if they are 16 bits each: those are widened when asked for. */
export function tensorOver(weight: Weight, bytes: Uint8Array): Tensor {
  const { dtype, dims } = weight;
  if (dtype !== 'float16' && dtype !== 'bfloat16') return decodeTensor(weight, bytes);
  return new HalfTensor(halvesOf(bytes), dims, dtype);
}

/** Bytes in pairs: where they lie, or copied if that is at an odd address. */
function halvesOf(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, length } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(buffer, byteOffset, length / 2);
}
