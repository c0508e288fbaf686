// Files that are there whole or not at all.
import { access, constants, lstat, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { UsageError } from './errors.ts';

/**
 * Checks, before any work is done, that a file can be written.
 * @throws {UsageError} if its folder does not exist or cannot be written to, or the path is a folder
 */
export async function assertWritable(option: string, path: string): Promise<void> {
  if (path === '' || /[/\\]$/.test(path))
    throw new UsageError(`${option}: "${path}" names no file. Give the path of a file.`);
  const folder = dirname(resolve(path));
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new UsageError(
      `${option}: the folder "${folder}" does not exist. Create it, or give another path.`,
    );
  }
  const writable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!writable)
    throw new UsageError(`${option}: the folder "${folder}" is not writable. Give another path.`);
  const target = await stat(path).catch(() => undefined);
  if (target?.isDirectory())
    throw new UsageError(`${option}: "${path}" is a folder. Give the path of a file.`);
}

/**
 * Writes a file beside its place first, so that nobody ever sees half of it. A link stays one: what it leads to is
 * written; and so does what is no file, such as a pipe.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found && !found.isFile()) return writeFile(path, bytes);
  const target = found ? await realpath(path) : path;
  const part = `${target}.${process.pid}.part`;
  try {
    await writeFile(part, bytes);
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** The path of picture `index` of several: fox.png, fox-2.png, fox-3.png … */
export function numberedPath(path: string, index: number): string {
  if (index === 0) return path;
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}-${index + 1}${extension}`;
}

/** A file name made of a prompt: "A red fox!" gives a-red-fox.png. @param attempt gives another one from 2 on: a-red-fox-2.png */
export function fileNameOf(prompt: string, attempt = 1): string {
  const words =
    prompt
      .toLowerCase()
      .normalize('NFKD')
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return `${words.join('-').slice(0, 60).replace(/-+$/, '') || 'picture'}${attempt > 1 ? `-${attempt}` : ''}.png`;
}

/** The first file name of a prompt under which so many pictures overwrite none that is there. */
export async function freeFileNameOf(prompt: string, pictures: number): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const name = fileNameOf(prompt, attempt);
    const paths = Array.from({ length: pictures }, (_, index) => numberedPath(name, index));
    const found = await Promise.all(paths.map((path) => lstat(path).catch(() => undefined)));
    if (found.every((file) => file === undefined)) return name;
  }
}
