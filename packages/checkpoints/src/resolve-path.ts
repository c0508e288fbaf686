// Paths inside a folder: relative, with '/', and never out of it.
import { InvalidArgumentError } from '@emulsion/tensor';

/**
 * `path` without empty and `.` parts.
 * @param folder what messages call the folder
 * @throws {InvalidArgumentError} if the path is absolute, empty, has a `..` part or one that a file system reads in
 *   its own way (a backslash, a colon after a drive letter, a null character)
 */
export function resolvePath(folder: string, path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.length === 0 || parts.includes('..') || /\\|\0|^[a-z]:/i.test(path)) {
    throw new InvalidArgumentError(
      `${folder}: ${JSON.stringify(path)} is not a path inside this folder. Give a relative path with "/" and without "..".`,
    );
  }
  return parts.join('/');
}
