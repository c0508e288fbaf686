// The values of one weight, read into memory: for adapters and tests. Models use their weights where they lie.
import { type DataType, dataTypeBytes } from '@emulsion/onnx';
import { fromFloat16, type Tensor, tensor } from '@emulsion/tensor';
import type { Folder } from './folder.ts';
import type { Weight } from './weight.ts';

type Read = (view: DataView, byteOffset: number) => number;

const readers: { readonly [T in Exclude<DataType, 'float16'>]: Read } = {
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
  bfloat16: (view, at) => fromBfloat16(view.getUint16(at, true)),
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

/** A bfloat16 is the upper half of a float32. */
const floatBits = new DataView(new ArrayBuffer(4));
function fromBfloat16(bits: number): number {
  floatBits.setUint32(0, bits * 0x10000);
  return floatBits.getFloat32(0);
}

/**
 * The values of a weight as float32, whatever its type in the file: exact for float16 and bfloat16, rounded for types
 * that hold more.
 * @param folder the folder that the weight was opened from
 * @throws {MissingFileError} if the file has gone since
 */
export async function readTensor(folder: Folder, weight: Weight): Promise<Tensor> {
  const { dtype, dims, path, range } = weight;
  const { file, offset } = range;
  const bytes =
    file.kind === 'bytes'
      ? file.bytes.subarray(offset, offset + range.length)
      : await folder.read(path, { offset, length: range.length });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dataTypeBytes[dtype];
  const length = range.length / size;
  if (dtype === 'float16') {
    return tensor(fromFloat16(Uint16Array.from({ length }, (_, i) => view.getUint16(i * size, true))), dims);
  }
  const read = readers[dtype];
  return tensor(
    Float32Array.from({ length }, (_, i) => read(view, i * size)),
    dims,
  );
}
