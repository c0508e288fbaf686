// Tensors as the bytes of a safetensors file.
import { type AnyTensor, bytesPerElement, type DType, InvalidArgumentError } from '@emulsion/tensor';

const codes: { readonly [D in DType]: string } = {
  float32: 'F32',
  float16: 'F16',
  float64: 'F64',
  int32: 'I32',
  int64: 'I64',
  uint8: 'U8',
  bool: 'BOOL',
};

/**
 * The bytes of a safetensors file that holds `tensors`, widest elements first and then by name, as the format's own
 * library orders them, so that every tensor is aligned.
 * @param metadata notes for whoever reads the file
 * @throws {InvalidArgumentError} if a tensor is called `__metadata__`, the one name that the format keeps for itself
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, AnyTensor>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = Object.entries(tensors).sort(
    ([a, x], [b, y]) => bytesPerElement[y.dtype] - bytesPerElement[x.dtype] || (a < b ? -1 : 1),
  );
  const header = new Map<string, unknown>(metadata ? [['__metadata__', metadata]] : []);
  let end = 0;
  for (const [name, { dtype, dims, data }] of entries) {
    if (name === '__metadata__') {
      throw new InvalidArgumentError(
        'writeSafetensors: a tensor cannot be called "__metadata__". Give it another name.',
      );
    }
    const start = end;
    end += data.byteLength;
    header.set(name, { dtype: codes[dtype], shape: dims, data_offsets: [start, end] });
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.fill(0x20, 8, 8 + headerLength);
  bytes.set(json, 8);
  let position = 8 + headerLength;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}
