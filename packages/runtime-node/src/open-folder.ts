// A model's folder on the file system.
import { open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assertRange,
  type Folder,
  MissingFileError,
  MissingFolderError,
  type ReadRange,
  resolvePath,
  UnreadableFileError,
} from '@emulsion/checkpoints';

/**
 * The folder at `path`, relative to the working directory or absolute. Its files are opened when they are read;
 * symbolic links are followed wherever they lead, as caches of downloads are made of them.
 * @throws {MissingFolderError} if it is not there or is not a folder
 */
export async function openFolder(path: string): Promise<Folder> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new MissingFolderError(path, { cause });
  });
  if (!found.isDirectory()) throw new MissingFolderError(path);
  return folderAt(await realpath(path), path.replace(/(?<=.)[/\\]+$/, ''));
}

/** The folder at an absolute path; `name` is what the caller calls it. */
export function folderAt(root: string, name: string): Folder {
  const resolve = (path: string) => join(root, resolvePath(name, path));
  /** Does something with a file, and says which file it was if that fails. */
  const attempt = async <T>(
    path: string,
    action: (absolute: string, size: number) => T | Promise<T>,
  ): Promise<T> => {
    const absolute = resolve(path);
    try {
      const found = await stat(absolute);
      if (!found.isFile()) throw new MissingFileError({ name }, path, 'What has that name is not a file.');
      return await action(absolute, found.size);
    } catch (cause) {
      const code = errorCode(cause);
      if (code === undefined) throw cause;
      if (code === 'ENOENT' || code === 'ENOTDIR')
        throw new MissingFileError({ name }, path, undefined, { cause });
      throw new UnreadableFileError({ name }, path, code, { cause });
    }
  };
  return {
    name,
    has: (path) =>
      attempt(path, () => true).catch((error: unknown) => {
        if (MissingFileError.is(error)) return false;
        throw error;
      }),
    size: (path) => attempt(path, (_, size) => size),
    read: (path, range) =>
      attempt(path, async (absolute, size) => {
        const { offset, length } = range ?? { offset: 0, length: size };
        assertRange(name, path, { offset, length }, size);
        const bytes = await readBytes(absolute, { offset, length });
        if (bytes.length < length)
          throw new UnreadableFileError({ name }, path, 'it was cut short meanwhile');
        return bytes;
      }),
    locate: (path) => attempt(path, async (absolute) => ({ kind: 'path', path: await realpath(absolute) })),
    subfolder: (path) => folderAt(resolve(path), join(name, path)),
  };
}

/** The system's code of a failed call, `ENOENT` for instance. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** One call to the system reads less than 2 GiB. */
const maxChunk = 2 ** 30;

/** The bytes of the range, fewer where the file ends before it. */
async function readBytes(absolute: string, { offset, length }: ReadRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const file = await open(absolute);
  try {
    let done = 0;
    while (done < length) {
      const { bytesRead } = await file.read(bytes, done, Math.min(length - done, maxChunk), offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}
