// Folders on a web server.
import { type Folder, resolvePath } from '@emulsion/checkpoints';
import { RemoteFile } from './remote-file.ts';

/**
 * A model's folder on a web server. A file whose weights are used is downloaded whole, once; of others only what is
 * asked for, if the server knows ranges. The server must answer 404 where there is no file.
 * @param baseUrl the folder's address, absolute or relative to the page's
 */
export function fetchFolder(baseUrl: string | URL): Folder {
  const root = new URL(baseUrl, globalThis.location?.href);
  if (!root.pathname.endsWith('/')) root.pathname += '/';
  return folderAt(root, new Map());
}

function folderAt(root: URL, files: Map<string, RemoteFile>): Folder {
  const name = root.href.replace(/\/$/, '');
  const addressOf = (path: string) =>
    new URL(resolvePath(name, path).split('/').map(encodeURIComponent).join('/'), root);
  const at = (path: string): RemoteFile => {
    const url = addressOf(path);
    const file = files.get(url.href) ?? new RemoteFile(url, name, path);
    files.set(url.href, file);
    return file;
  };
  return {
    name,
    has: async (path) => at(path).exists(),
    size: async (path) => at(path).size(),
    read: async (path, range) => at(path).read(range),
    locate: async (path) => ({ kind: 'blob', name: `${name}/${path}`, blob: await at(path).whole() }),
    subfolder: (path) => folderAt(new URL(`${addressOf(path).href}/`), files),
  };
}
