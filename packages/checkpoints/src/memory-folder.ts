// A folder in memory, for tests and for browsers.
import { assertRange } from './assert-range.ts';
import { MissingFileError } from './errors.ts';
import type { Folder } from './folder.ts';
import { resolvePath } from './resolve-path.ts';

/**
 * A folder whose files are given: bytes, which are not copied, or text.
 * @param name what messages call it
 */
export function memoryFolder(files: Readonly<Record<string, Uint8Array | string>>, name = 'memory'): Folder {
  const encoder = new TextEncoder();
  const contents = new Map(
    Object.entries(files).map(([path, content]) => [
      resolvePath(name, path),
      typeof content === 'string' ? encoder.encode(content) : content,
    ]),
  );
  return view(contents, name, []);
}

function view(contents: ReadonlyMap<string, Uint8Array>, name: string, parents: readonly string[]): Folder {
  const resolve = (path: string) => [...parents, resolvePath(name, path)].join('/');
  const find = (path: string) => {
    const bytes = contents.get(resolve(path));
    if (!bytes) throw new MissingFileError({ name }, path);
    return bytes;
  };
  return {
    name,
    has: async (path) => contents.has(resolve(path)),
    size: async (path) => find(path).length,
    async read(path, range) {
      const bytes = find(path);
      if (!range) return bytes;
      assertRange(name, path, range, bytes.length);
      return bytes.subarray(range.offset, range.offset + range.length);
    },
    locate: async (path) => ({ kind: 'bytes', name: `${name}/${path}`, bytes: find(path) }),
    subfolder: (path) => view(contents, `${name}/${path}`, [resolve(path)]),
  };
}
