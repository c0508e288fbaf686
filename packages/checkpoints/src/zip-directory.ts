// Where the files in a ZIP archive lie, from its central directory: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.
import { InvalidFileError, UnsupportedFileError } from './errors.ts';
import type { Folder, ReadRange } from './folder.ts';

/** The files of an archive by name; each is stored as it is, so that it is a range of the archive. */
export interface ZipDirectory {
  readonly names: readonly string[];
  /** The bytes of a file. @throws {InvalidFileError} @throws {UnsupportedFileError} if they are compressed */
  locate(name: string): Promise<ReadRange | undefined>;
}

/** An entry of the central directory. */
interface Entry {
  readonly method: number;
  readonly encrypted: boolean;
  readonly size: number;
  readonly headerOffset: number;
}

const endLength = 22;
const maxComment = 0xffff;
const end64Length = 56;
const locator64Length = 20;
const entryLength = 46;
const localLength = 30;
/** A model has some thousand tensors; a directory of more than this is not one of a model. */
const maxDirectoryLength = 16 * 2 ** 20;

/** Whether a file begins as a ZIP archive does. */
export const isZip = (start: Uint8Array): boolean =>
  start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;

/**
 * Reads the central directory of an archive.
 * @throws {MissingFileError} @throws {InvalidFileError}
 */
export async function openZip(folder: Folder, path: string): Promise<ZipDirectory> {
  const invalid = (problem: string) => new InvalidFileError(folder, path, problem);
  const size = await folder.size(path);
  const read = async (offset: number, length: number, what: string) => {
    if (!Number.isSafeInteger(offset) || length > size || offset > size - length || offset < 0) {
      throw invalid(`it is a ZIP archive whose ${what} lies outside of the file`);
    }
    return view(await folder.read(path, { offset, length }));
  };
  const { offset, length, count } = await findDirectory(size, read, invalid);
  if (length > maxDirectoryLength) throw invalid(`its directory has ${length} bytes`);
  const entries = parseDirectory(await read(offset, length, 'directory'), count, invalid);
  return {
    names: [...entries.keys()],
    async locate(name) {
      const entry = entries.get(name);
      if (!entry) return undefined;
      const quoted = JSON.stringify(name);
      if (entry.method !== 0 || entry.encrypted) {
        throw new UnsupportedFileError(
          folder,
          path,
          `the ${quoted} in it is ${entry.encrypted ? 'encrypted' : 'compressed'}, which PyTorch's own files never are`,
          'Save the model again with torch.save or safetensors.',
        );
      }
      const local = await read(entry.headerOffset, localLength, `entry ${quoted}`);
      if (local.getUint32(0, true) !== 0x04034b50) throw invalid(`its entry ${quoted} is damaged`);
      const start = entry.headerOffset + localLength + local.getUint16(26, true) + local.getUint16(28, true);
      if (start + entry.size > size) throw invalid(`it is cut short: its ${quoted} ends after the file does`);
      return { offset: start, length: entry.size };
    },
  };
}

type Read = (offset: number, length: number, what: string) => Promise<DataView>;
type Invalid = (problem: string) => InvalidFileError;

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const uint64 = (bytes: DataView, at: number) => Number(bytes.getBigUint64(at, true));

/** Where the directory is, which the end of the archive tells; a second record has what does not fit into 32 bits. */
async function findDirectory(size: number, read: Read, invalid: Invalid) {
  const tailLength = Math.min(size, endLength + maxComment);
  const tail = await read(size - tailLength, tailLength, 'end');
  let at = tailLength - endLength;
  while (at >= 0 && tail.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) throw invalid('it begins as a ZIP archive, but has no directory at its end: it is cut short');
  let count = tail.getUint16(at + 10, true);
  let length = tail.getUint32(at + 12, true);
  let offset = tail.getUint32(at + 16, true);
  if (count === 0xffff || length === 0xffffffff || offset === 0xffffffff) {
    const locator = await read(size - tailLength + at - locator64Length, locator64Length, 'end');
    if (locator.getUint32(0, true) === 0x07064b50) {
      const record = await read(uint64(locator, 8), end64Length, 'end');
      if (record.getUint32(0, true) !== 0x06064b50) throw invalid('the end of its ZIP archive is damaged');
      count = uint64(record, 32);
      length = uint64(record, 40);
      offset = uint64(record, 48);
    }
  }
  return { offset, length, count };
}

function parseDirectory(directory: DataView, count: number, invalid: Invalid): Map<string, Entry> {
  const damaged = () => invalid('the directory of its ZIP archive is damaged');
  const entries = new Map<string, Entry>();
  const utf8 = new TextDecoder();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + entryLength > directory.byteLength || directory.getUint32(at, true) !== 0x02014b50)
      throw damaged();
    const nameLength = directory.getUint16(at + 28, true);
    const extraLength = directory.getUint16(at + 30, true);
    const next = at + entryLength + nameLength + extraLength + directory.getUint16(at + 32, true);
    if (next > directory.byteLength) throw damaged();
    const bytes = new Uint8Array(directory.buffer, directory.byteOffset + at + entryLength, nameLength);
    const name = utf8.decode(bytes);
    if (entries.has(name)) throw invalid(`its ZIP archive has ${JSON.stringify(name)} twice`);
    const extra = new DataView(bytes.buffer, bytes.byteOffset + nameLength, extraLength);
    const [size, compressedSize, headerOffset] = sizesOf(directory, at, extra);
    const method = directory.getUint16(at + 10, true);
    if (method === 0 && size !== compressedSize) throw damaged();
    const encrypted = (directory.getUint16(at + 8, true) & 1) === 1;
    entries.set(name, { method, encrypted, size, headerOffset });
    at = next;
  }
  return entries;
}

/** Size, compressed size and place of an entry; those that are all ones stand in the ZIP64 field (0x0001) instead. */
function sizesOf(directory: DataView, at: number, extra: DataView): [number, number, number] {
  const fields = [24, 20, 42].map((field) => directory.getUint32(at + field, true)) as [
    number,
    number,
    number,
  ];
  for (let e = 0; e + 4 <= extra.byteLength; e += 4 + extra.getUint16(e + 2, true)) {
    if (extra.getUint16(e, true) !== 1) continue;
    const end = Math.min(e + 4 + extra.getUint16(e + 2, true), extra.byteLength);
    let next = e + 4;
    for (const [i, field] of fields.entries()) {
      if (field !== 0xffffffff || next + 8 > end) continue;
      fields[i] = uint64(extra, next);
      next += 8;
    }
  }
  return fields;
}
