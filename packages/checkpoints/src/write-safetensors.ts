// Tensors as the bytes of a safetensors file.
import { type DataType, dataTypeBytes } from '@emulsion/onnx';
import { type AnyTensor, bytesPerElement, InvalidArgumentError } from '@emulsion/tensor';

const codes: { readonly [D in DataType]?: string } = {
  float32: 'F32',
  float16: 'F16',
  float64: 'F64',
  int32: 'I32',
  int64: 'I64',
  bfloat16: 'BF16',
  int16: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
};

/** A tensor as a file holds it: its type and dims, and the bytes of its elements, little-endian, when it is their turn. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  read(): Uint8Array | Promise<Uint8Array>;
}

/**
 * A safetensors file part by part, for files that are larger than what fits into one array: tensors are read one after
 * the other, widest elements first and then by name, as the format's own library orders them.
 * @param metadata notes for whoever reads the file
 * @throws {InvalidArgumentError} if a tensor is called `__metadata__`, the one name that the format keeps for itself, or
 * is of a type that the format does not have
 */
export async function* safetensorsParts(
  tensors: Iterable<StoredTensor>,
  metadata?: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  const sorted = sortTensors([...tensors], ({ name, dtype }) => [name, dataTypeBytes[dtype]]);
  yield headerOf(sorted, metadata);
  for (const { read } of sorted) yield await read();
}

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
  const entries = sortTensors(Object.entries(tensors), ([name, { dtype }]) => [name, bytesPerElement[dtype]]);
  const header = headerOf(
    entries.map(([name, { dtype, dims }]) => ({ name, dtype, dims })),
    metadata,
  );
  const end = entries.reduce((sum, [, { data }]) => sum + data.byteLength, 0);
  const bytes = new Uint8Array(header.length + end);
  bytes.set(header);
  let position = header.length;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}

/** Widest elements first, then by name: so every tensor is aligned. */
function sortTensors<Item>(
  items: Item[],
  keyOf: (item: Item) => readonly [name: string, bytes: number],
): Item[] {
  return items.sort((a, b) => {
    const [[name, bytes], [other, otherBytes]] = [keyOf(a), keyOf(b)];
    return otherBytes - bytes || (name < other ? -1 : 1);
  });
}

/** The length of the header and the header, filled up to a multiple of eight bytes. */
function headerOf(
  tensors: readonly Pick<StoredTensor, 'name' | 'dtype' | 'dims'>[],
  metadata: Readonly<Record<string, string>> | undefined,
): Uint8Array {
  const header = new Map<string, unknown>(metadata ? [['__metadata__', metadata]] : []);
  let end = 0;
  for (const { name, dtype, dims } of tensors) {
    const code = codes[dtype];
    if (name === '__metadata__') {
      throw new InvalidArgumentError(
        'writeSafetensors: a tensor cannot be called "__metadata__". Give it another name.',
      );
    }
    if (!code)
      throw new InvalidArgumentError(`writeSafetensors: "${name}" is ${dtype}, which the format has not.`);
    const start = end;
    end += dims.reduce((size, dim) => size * dim, dataTypeBytes[dtype]);
    header.set(name, { dtype: code, shape: dims, data_offsets: [start, end] });
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.fill(0x20, 8);
  bytes.set(json, 8);
  return bytes;
}
