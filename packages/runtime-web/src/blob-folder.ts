// A folder whose files are Blobs: what reading, measuring and locating them has in common.
import {
  assertRange,
  type Folder,
  MissingFileError,
  resolvePath,
  UnreadableFileError,
} from '@emulsion/checkpoints';

/**
 * A folder over files that are found one by one.
 * @param find the file at a path, whose parts are separated by `/`; `undefined` if there is none
 */
export function blobFolder(name: string, find: (path: string) => Promise<Blob | undefined>): Folder {
  const look = (path: string) => {
    const resolved = resolvePath(name, path);
    return readable(name, path, () => find(resolved));
  };
  const get = async (path: string) => {
    const file = await look(path);
    if (!file) throw new MissingFileError({ name }, path);
    return file;
  };
  return {
    name,
    has: async (path) => (await look(path)) !== undefined,
    size: async (path) => (await get(path)).size,
    async read(path, range) {
      const file = await get(path);
      if (range) assertRange(name, path, range, file.size);
      const part = range ? file.slice(range.offset, range.offset + range.length) : file;
      return new Uint8Array(await readable(name, path, () => part.arrayBuffer()));
    },
    locate: async (path) => ({ kind: 'blob', name: `${name}/${path}`, blob: await get(path) }),
    subfolder(path) {
      const prefix = resolvePath(name, path);
      return blobFolder(`${name}/${path}`, (inner) => find(`${prefix}/${inner}`));
    },
  };
}

/** Says which file it was if the browser refuses to read it: it was changed meanwhile, or may not be read. */
async function readable<T>(name: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (!(cause instanceof DOMException)) throw cause;
    throw new UnreadableFileError({ name }, path, cause.message, { cause });
  }
}
