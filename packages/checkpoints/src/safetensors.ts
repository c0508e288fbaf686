// The safetensors format: 8 bytes with the header's length, the header (JSON), the tensors' bytes without a gap.
// https://github.com/huggingface/safetensors; the checks are those of its Rust implementation.
import { type DataType, dataTypeBytes } from '@emulsion/onnx';
import { InvalidFileError, UnsupportedFileError } from './errors.ts';
import type { Folder } from './folder.ts';
import type { Weight, Weights } from './weight.ts';

/** What the header of a safetensors file says. */
export interface SafetensorsHeader {
  /** Notes of whoever wrote the file (`__metadata__`); empty if there are none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The tensors in the order of their bytes. */
  readonly weights: Weights;
}

/** The format's names of element types. */
const dataTypes = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F64: 'float64',
  I8: 'int8',
  I16: 'int16',
  I32: 'int32',
  I64: 'int64',
  U8: 'uint8',
  U16: 'uint16',
  U32: 'uint32',
  U64: 'uint64',
  BOOL: 'bool',
} as const satisfies Record<string, DataType>;

/** Element types that the format has and ONNX graphs here have not. */
const otherDataTypes = /^(F4|F6_E[23]M[23]|F8_\w+|C64)$/;

const lengthBytes = 8;
const maxHeaderLength = 100_000_000;

/** How the small files begin that a clone without Git LFS has in place of large ones. */
const lfsPointer = 'version https://git-lfs';

/**
 * The weights of a safetensors file. Only its header is read.
 * @throws {MissingFileError} @throws {InvalidFileError} if it breaks a rule of the format or is cut short
 * @throws {UnsupportedFileError} if a tensor has an element type that is not read, such as 8-bit floats
 */
export async function openSafetensors(folder: Folder, path: string): Promise<Weights> {
  return (await readSafetensorsHeader(folder, path)).weights;
}

/** The weights of a safetensors file with the notes that its writer left in it; throws as `openSafetensors` does. */
export async function readSafetensorsHeader(folder: Folder, path: string): Promise<SafetensorsHeader> {
  const invalid = (problem: string, cause?: unknown) =>
    new InvalidFileError(folder, path, problem, { cause });
  const size = await folder.size(path);
  if (size < lengthBytes) throw invalid(`it has ${size} bytes, too few for a safetensors file`);
  const lengthField = await folder.read(path, { offset: 0, length: lengthBytes });
  const headerLength = view(lengthField).getBigUint64(0, true);
  if (headerLength > maxHeaderLength) {
    if (size < 1000 && new TextDecoder().decode(await folder.read(path)).startsWith(lfsPointer)) {
      throw invalid('it is a pointer of Git LFS, not the file itself');
    }
    throw invalid(
      `its first 8 bytes announce a header of ${headerLength} bytes, more than the ${maxHeaderLength} that are allowed: this is not a safetensors file`,
    );
  }
  const dataStart = lengthBytes + Number(headerLength);
  if (dataStart > size) {
    throw invalid(`it is cut short: the header ends at byte ${dataStart}, the file at ${size}`);
  }
  const bytes = await folder.read(path, { offset: lengthBytes, length: Number(headerLength) });
  const { metadata, tensors } = parseHeader(bytes, invalid, (problem, advice) => {
    throw new UnsupportedFileError(folder, path, problem, advice);
  });
  const dataEnd = dataStart + assertContiguous(tensors, invalid);
  if (dataEnd > size)
    throw invalid(`it is cut short: the last tensor ends at byte ${dataEnd}, the file at ${size}`);
  if (dataEnd < size)
    throw invalid(`${size - dataEnd} bytes follow the last tensor, which the header leaves out`);
  const file = await folder.locate(path);
  const weights = new Map<string, Weight>();
  for (const { name, dtype, dims, start, end } of tensors) {
    const range = { file, offset: dataStart + start, length: end - start };
    weights.set(name, { name, dtype, dims, path, range });
  }
  return { metadata, weights };
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

type Invalid = (problem: string, cause?: unknown) => InvalidFileError;
type Refuse = (problem: string, advice: string) => never;

/** An entry of the header; `start` and `end` count from the first byte after the header. */
interface Entry {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly start: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array, invalid: Invalid, refuse: Refuse) {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw invalid('its header is not JSON', cause);
  }
  if (!isRecord(header)) throw invalid('its header is not a JSON object');
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw invalid(`its header has ${quote(repeated)} twice`);
  const metadata = new Map<string, string>();
  const tensors: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') {
      tensors.push(parseEntry(name, value, invalid, refuse));
      continue;
    }
    if (value === null) continue;
    if (!isRecord(value)) throw invalid('"__metadata__" in its header is not an object');
    for (const [key, note] of Object.entries(value)) {
      if (typeof note !== 'string') throw invalid(`"__metadata__" has a ${quote(key)} that is not a string`);
      metadata.set(key, note);
    }
  }
  return { metadata, tensors };
}

function parseEntry(name: string, value: unknown, invalid: Invalid, refuse: Refuse): Entry {
  if (!isRecord(value)) throw invalid(`its header's ${quote(name)} is not an object`);
  const { dtype: code, shape: dims, data_offsets: offsets } = value;
  if (typeof code !== 'string') throw invalid(`its header's ${quote(name)} has no "dtype"`);
  if (otherDataTypes.test(code)) {
    refuse(
      `${quote(name)} has elements of type ${code}, which are not read`,
      'Use a copy of the model with weights in F32, F16 or BF16.',
    );
  }
  if (!Object.hasOwn(dataTypes, code)) {
    throw invalid(`its header's ${quote(name)} has the unknown "dtype" ${quote(code)}`);
  }
  // The line above made sure that it is one of the keys.
  const dtype = dataTypes[code as keyof typeof dataTypes];
  if (!isSizes(dims)) {
    throw invalid(`its header's ${quote(name)} has no "shape" that is a list of whole numbers`);
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw invalid(`its header's ${quote(name)} has no "data_offsets" that are two whole numbers`);
  }
  const [start, end] = offsets as [number, number];
  let length = dataTypeBytes[dtype];
  for (const dim of dims) {
    length *= dim;
    if (!Number.isSafeInteger(length))
      throw invalid(`${quote(name)} is too large: ${code} [${dims.join(', ')}]`);
  }
  if (end - start !== length) {
    throw invalid(
      `${quote(name)}, ${code} [${dims.join(', ')}], takes ${length} bytes, its "data_offsets" are ${start} and ${end}`,
    );
  }
  return { name, dtype, dims, start, end };
}

/** Sorts the entries by place, checks that each starts where the one before it ends, and gives the last one's end. */
function assertContiguous(tensors: Entry[], invalid: Invalid): number {
  tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  let position = 0;
  for (const { name, start, end } of tensors) {
    if (start !== position) {
      const problem = start < position ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw invalid(
        `${quote(name)} ${problem}: it starts at byte ${start} of the data instead of ${position}`,
      );
    }
    position = end;
  }
  return position;
}

/** The first key that an object has twice, in JSON that is known to be valid and an object: JSON.parse keeps the last. */
function repeatedKey(json: string): string | undefined {
  const keys = new Set<string>();
  let depth = 0;
  let keyFollows = false;
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{' || character === '[') keyFollows = ++depth === 1;
    else if (character === '}' || character === ']') depth--;
    else if (character === ',') keyFollows = depth === 1;
    else if (character === '"') {
      const start = i;
      for (i++; json[i] !== '"'; i++) if (json[i] === '\\') i++;
      if (!keyFollows) continue;
      keyFollows = false;
      const key: string = JSON.parse(json.slice(start, i + 1));
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

/** A name from a file as it goes into a message: quoted, and cut if someone made it long. */
const quote = (name: string) => JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
