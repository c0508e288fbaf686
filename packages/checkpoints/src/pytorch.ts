// Files of torch.save (`.pt`, `.bin`, `.ckpt`), whose weights stay where they are: a ZIP archive with a pickle and a
// file for each storage, or before PyTorch 1.6 pickles with the storages behind them.
// https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
import { dataTypeBytes } from '@emulsion/onnx';
import { InvalidFileError, UnsupportedFileError } from './errors.ts';
import type { Folder, ReadRange } from './folder.ts';
import { PickledTensor, pytorchGlobal, type Storage, storageOf } from './pytorch-globals.ts';
import { copyStrided, isContiguous, spanOf } from './strides.ts';
import { PickleProblem, unpickle } from './unpickle.ts';
import type { Weight, Weights } from './weight.ts';
import { isZip, openZip, type ZipDirectory } from './zip-directory.ts';

/** Keys under which training programs keep the weights. */
const stateDictKeys = ['state_dict', 'model'];

/** Bytes of pickles that are read, at most; of a whole model they are less than one megabyte. */
const maxPickleLength = 64 * 2 ** 20;
const firstPickleLength = 2 ** 20;

/** What the first pickle of a file is that is no ZIP archive. */
const legacyMagic = 0x1950a86a20f9469cfc6cn;
const legacyVersion = 1001;

/**
 * The weights of a file of torch.save: the tensors of the dict that it holds, or of the dict `state_dict` in that.
 * Nothing in the file is executed, and tensors are not read.
 * @throws {MissingFileError} @throws {InvalidFileError} if it is damaged, or holds no dict of tensors
 * @throws {UnsupportedFileError} if its pickle names anything but what weights are made of
 */
export async function openPytorch(folder: Folder, path: string): Promise<Weights> {
  const weights = stateDictOf(await readPytorch(folder, path));
  if (!weights) throw new InvalidFileError(folder, path, 'it holds no weights by name');
  return weights;
}

/** The tensors by name in what `readPytorch` gives, if there are any. */
export function stateDictOf(root: unknown): Weights | undefined {
  if (!(root instanceof Map)) return undefined;
  const inner: unknown = stateDictKeys.map((key) => root.get(key)).find((value) => value instanceof Map);
  const weights = new Map<string, Weight>();
  for (const [name, value] of inner instanceof Map ? inner : root) {
    if (typeof name !== 'string' || !isPickledWeight(value)) continue;
    const { dtype, dims, path, range } = value;
    weights.set(name, { name, dtype, dims, path, range });
  }
  return weights.size > 0 ? weights : undefined;
}

/** Whether a value inside of what `readPytorch` gives is a tensor; its name is where it stands. */
export const isPickledWeight = (value: unknown): value is Weight => value instanceof PickledTensor;

/**
 * All that a file of torch.save holds, with its tensors as weights: dicts as maps, lists and tuples as arrays, objects
 * of the few other classes that are known as their class's name and attributes. Throws as `openPytorch` does.
 */
export async function readPytorch(folder: Folder, path: string): Promise<unknown> {
  // Where the file is fetched, it is fetched once, and not for each of many small readings.
  await folder.locate(path);
  const size = await folder.size(path);
  const start = await folder.read(path, { offset: 0, length: Math.min(size, 4) });
  const { value, storages, ranges } = await (isZip(start) ? readArchive : readLegacy)(folder, path);
  await placeTensors(folder, path, storages, ranges);
  return value;
}

/** A pickle's value, and the storages of the tensors in it with their places, by key. */
interface Contents {
  readonly value: unknown;
  readonly storages: ReadonlyMap<string, Storage>;
  readonly ranges: ReadonlyMap<string, ReadRange>;
}

async function readArchive(folder: Folder, path: string): Promise<Contents> {
  const archive = await openZip(folder, path);
  const pickle = archive.names.find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickle === undefined)
    throw new InvalidFileError(folder, path, 'it is a ZIP archive without a "data.pkl"');
  const root = pickle.slice(0, -'data.pkl'.length);
  await assertLittleEndian(folder, path, archive, `${root}byteorder`);
  const { value, storages } = await parsePickles(
    folder,
    path,
    (await archive.locate(pickle))!,
    (bytes, collector) => unpickle(bytes, 0, collector).value,
  );
  const ranges = new Map<string, ReadRange>();
  for (const key of storages.keys()) {
    const range = await archive.locate(`${root}data/${key}`);
    if (!range) throw new InvalidFileError(folder, path, `it has no storage "${cut(key)}"`);
    ranges.set(key, range);
  }
  return { value, storages, ranges };
}

async function assertLittleEndian(folder: Folder, path: string, archive: ZipDirectory, name: string) {
  const range = await archive.locate(name);
  if (!range || range.length > 16) return;
  if (new TextDecoder().decode(await folder.read(path, range)).trim() === 'big')
    throw bigEndian(folder, path);
}

const bigEndian = (folder: Folder, path: string) =>
  new UnsupportedFileError(
    folder,
    path,
    'it was saved on a computer with the highest byte first',
    'Save the model again with safetensors.',
  );

/** Pickles of a magic number, a version, the computer, the value and the storages' keys; then the storages. */
async function readLegacy(folder: Folder, path: string): Promise<Contents> {
  const size = await folder.size(path);
  const { value, storages } = await parsePickles(
    folder,
    path,
    { offset: 0, length: size },
    (bytes, collector) => {
      const magic = readMagic(bytes, collector);
      if (magic.value !== legacyMagic) throw new PickleProblem('it is not a file of torch.save');
      const version = unpickle(bytes, magic.end, collector);
      if (version.value !== legacyVersion)
        throw new PickleProblem('it is of an unknown version of torch.save');
      const system = unpickle(bytes, version.end, collector);
      const root = unpickle(bytes, system.end, collector);
      const keys = unpickle(bytes, root.end, collector);
      return { system: system.value, root: root.value, keys: keys.value, end: keys.end };
    },
  );
  const { system, root, keys, end } = value;
  if (system instanceof Map && system.get('little_endian') === false) throw bigEndian(folder, path);
  const ranges = new Map<string, ReadRange>();
  let position = end;
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = storages.get(key);
    if (!storage) throw new InvalidFileError(folder, path, 'it lists a storage that it does not use');
    // Each begins with the number of its elements.
    const length = storage.length * dataTypeBytes[storage.dtype];
    ranges.set(storage.key, { offset: position + 8, length });
    position += 8 + length;
    if (position > size) throw cutShort(folder, path, storage);
  }
  return { value: root, storages, ranges };
}

/** The first pickle of a file; of another format the bytes are none. */
function readMagic(bytes: Uint8Array, collector: Collector) {
  try {
    return unpickle(bytes, 0, collector);
  } catch (cause) {
    if (cause instanceof PickleProblem) throw new PickleProblem('it is not a file of torch.save');
    throw cause;
  }
}

const cutShort = (folder: Folder, path: string, { key, length, dtype }: Storage) =>
  new InvalidFileError(
    folder,
    path,
    `it is cut short: it has not the ${length} elements of type ${dtype} of storage "${cut(key)}"`,
  );

/** What a parser tells what it meets. */
type Collector = Parameters<typeof unpickle>[2];

/** Parses the pickles at the start of a range: of a long one first a part, and more if they go on. */
async function parsePickles<Value>(
  folder: Folder,
  path: string,
  { offset, length }: ReadRange,
  parse: (bytes: Uint8Array, collector: Collector) => Value,
) {
  const available = Math.min(length, maxPickleLength);
  for (let part = Math.min(available, firstPickleLength); ; part = Math.min(available, part * 8)) {
    const bytes = await folder.read(path, { offset, length: part });
    const storages = new Map<string, Storage>();
    const collector: Collector = {
      global: (module, name) => {
        const found = pytorchGlobal(module, name);
        if (!found) throw unknownName(folder, path, `${module}.${name}`);
        return found;
      },
      persistent: (id) => {
        const storage = storageOf(id);
        const known = storages.get(storage.key);
        if (!known) storages.set(storage.key, storage);
        return known ?? storage;
      },
    };
    try {
      return { value: parse(bytes, collector), storages };
    } catch (error) {
      if (!(error instanceof PickleProblem)) throw error;
      if (error.truncated && part < available) continue;
      throw new InvalidFileError(folder, path, error.message, { cause: error });
    }
  }
}

const cut = (text: string) => (text.length > 120 ? `${text.slice(0, 120)}…` : text);

const unknownName = (folder: Folder, path: string, name: string) =>
  new UnsupportedFileError(
    folder,
    path,
    `its pickle names ${JSON.stringify(cut(name))}, which weights are not made of; nothing in it was run`,
    'If you trust its source, have the model saved with safetensors.',
  );

/** Gives each tensor its bytes: a range of the file, or a copy in row-major order where they lie otherwise. */
async function placeTensors(
  folder: Folder,
  path: string,
  storages: ReadonlyMap<string, Storage>,
  ranges: ReadonlyMap<string, ReadRange>,
): Promise<void> {
  const size = await folder.size(path);
  const file = await folder.locate(path);
  // What is copied is at most what the file has.
  let copied = 0;
  for (const tensor of [...storages.values()].flatMap(({ tensors }) => tensors)) {
    const { storage, dtype, offset, dims, strides } = tensor;
    const range = ranges.get(storage.key);
    if (!range) throw cutShort(folder, path, storage);
    const elementBytes = dataTypeBytes[dtype];
    const length = dims.reduce((product, dim) => product * dim, elementBytes);
    const span = length === 0 ? 0 : spanOf(dims, strides);
    const end = (offset + span) * elementBytes;
    if (!Number.isSafeInteger(length) || !Number.isSafeInteger(end) || end > range.length) {
      throw cutShort(folder, path, storage);
    }
    tensor.path = path;
    const start = range.offset + offset * elementBytes;
    if (length === 0 || isContiguous(dims, strides)) {
      tensor.range = { file, offset: length === 0 ? 0 : start, length };
      continue;
    }
    copied += length + span * elementBytes;
    if (copied > 2 * size) {
      throw new InvalidFileError(folder, path, 'its tensors share more elements than it has');
    }
    const bytes = copyStrided(
      await folder.read(path, { offset: start, length: span * elementBytes }),
      dims,
      strides,
      elementBytes,
    );
    tensor.range = {
      file: { kind: 'bytes', name: `${folder.name}/${path}:${copied}`, bytes },
      offset: 0,
      length,
    };
  }
}
