// Blobs in the origin private file system of a browser, where a key is the path of a file.
import type { BlobStore } from './blob-storage.ts';

/**
 * Blobs in files below a directory.
 * @param root `await navigator.storage.getDirectory()`, or a directory in it
 * @param free bytes that may still be put, where that is known
 */
export function opfsStore(
  root: FileSystemDirectoryHandle,
  free?: () => Promise<number | undefined>,
): BlobStore {
  /** The directory at a path; undefined if it is not there and is not to be made. */
  const directoryAt = async (path: readonly string[], create: boolean) => {
    let directory = root;
    for (const name of path) {
      const next = await unlessMissing(directory.getDirectoryHandle(name, { create }));
      if (!next) return undefined;
      directory = next;
    }
    return directory;
  };
  const split = (key: string) => {
    const parts = key.split('/');
    return { parents: parts.slice(0, -1), name: parts.at(-1)! };
  };
  return {
    name: 'origin private file system',
    async get(key) {
      const { parents, name } = split(key);
      const directory = await directoryAt(parents, false);
      const handle = directory && (await unlessMissing(directory.getFileHandle(name)));
      return handle && unlessMissing(handle.getFile());
    },
    async put(key, value) {
      const { parents, name } = split(key);
      const directory = (await directoryAt(parents, true))!; // it was made
      await write(await directory.getFileHandle(name, { create: true }), value);
    },
    async delete(key) {
      const { parents, name } = split(key);
      const directory = await directoryAt(parents, false);
      await unlessMissing(directory?.removeEntry(name));
    },
    async keys(prefix) {
      const directory = await directoryAt(prefix.split('/').slice(0, -1), false);
      const keys: string[] = [];
      const collect = async (from: FileSystemDirectoryHandle, path: string) => {
        for await (const [name, handle] of from.entries()) {
          if (isDirectory(handle)) await collect(handle, `${path}${name}/`);
          else keys.push(path + name);
        }
      };
      if (directory) await collect(directory, prefix);
      return keys;
    },
    ...(free && { free }),
  };
}

const isDirectory = (handle: FileSystemHandle): handle is FileSystemDirectoryHandle =>
  handle.kind === 'directory';

/** The result, or undefined where what was looked for is not there. */
async function unlessMissing<T>(work: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && (error.name === 'NotFoundError' || error.name === 'TypeMismatchError'))
      return undefined;
    throw error;
  }
}

/** What Safari's workers had first for writing; pages do not have it, and their types leave it out. */
interface SyncAccessHandle {
  truncate(size: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

/** A file with one way of writing or the other. */
interface Writable {
  createWritable?(): Promise<FileSystemWritableFileStream>;
  createSyncAccessHandle?(): Promise<SyncAccessHandle>;
}

/** Writes a file. */
async function write(handle: Writable, value: Blob): Promise<void> {
  const stream = await handle.createWritable?.();
  if (!stream) return writeInWorker(await handle.createSyncAccessHandle!(), value); // one of the two is there
  try {
    await stream.write(value);
  } catch (error) {
    await stream.abort().catch(() => {}); // the first failure is the one to tell
    throw error;
  }
  await stream.close();
}

async function writeInWorker(access: SyncAccessHandle, value: Blob): Promise<void> {
  try {
    access.truncate(0);
    access.write(new Uint8Array(await value.arrayBuffer()), { at: 0 });
    access.flush();
  } finally {
    access.close();
  }
}
