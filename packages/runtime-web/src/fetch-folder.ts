// Folders on a web server.
import { type Folder, MissingFileError, resolvePath } from '@emulsion/checkpoints';
import { RemoteFile } from './remote-file.ts';

/**
 * A model's folder on a web server. A file whose weights are used is downloaded whole, once; of others only what is
 * asked for, if the server knows ranges.
 * @param source the folder's address, absolute or relative to the page's, whose server must answer 404 where there is
 * no file; or the address of each file by its path in the folder, as bundlers give them
 * @param name what messages call it; its address unless given
 */
export function fetchFolder(
  source: string | URL | Readonly<Record<string, string | URL>>,
  name?: string,
): Folder {
  if (typeof source === 'object' && !(source instanceof URL)) {
    const addresses = new Map(Object.entries(source));
    return folderOf(name ?? 'model', (path) => addresses.get(path), new Map());
  }
  const root = new URL(source, globalThis.location?.href);
  if (!root.pathname.endsWith('/')) root.pathname += '/';
  const addressOf = (path: string) => new URL(path.split('/').map(encodeURIComponent).join('/'), root);
  return folderOf(name ?? root.href.replace(/\/$/, ''), addressOf, new Map());
}

/** @param files the files that were asked for, by their addresses: folders in it share them */
function folderOf(
  name: string,
  addressOf: (path: string) => string | URL | undefined,
  files: Map<string, RemoteFile>,
): Folder {
  const find = (path: string): RemoteFile | undefined => {
    const address = addressOf(resolvePath(name, path));
    if (address === undefined) return undefined;
    const url = new URL(address, globalThis.location?.href);
    const file = files.get(url.href) ?? new RemoteFile(url, name, path);
    files.set(url.href, file);
    return file;
  };
  const get = (path: string): RemoteFile => {
    const file = find(path);
    if (!file) throw new MissingFileError({ name }, path);
    return file;
  };
  return {
    name,
    has: async (path) => (await find(path)?.exists()) ?? false,
    size: async (path) => get(path).size(),
    read: async (path, range) => get(path).read(range),
    locate: async (path) => ({ kind: 'blob', name: `${name}/${path}`, blob: await get(path).whole() }),
    subfolder(path) {
      const prefix = resolvePath(name, path);
      return folderOf(`${name}/${path}`, (inner) => addressOf(`${prefix}/${inner}`), files);
    },
  };
}
