// Files that are there whole or not at all.
import { access, constants, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { UsageError } from './errors.ts';

/**
 * Checks, before any work is done, that a file can be written.
 * @throws {UsageError} if its folder does not exist or cannot be written to, or the path is a folder
 */
export async function assertWritable(option: string, path: string): Promise<void> {
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

/** Writes a file beside its place first, so that nobody ever sees half of it. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const part = `${path}.${process.pid}.part`;
  try {
    await writeFile(part, bytes);
    await rename(part, path);
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

/** A file name made of a prompt: "A red fox!" gives a-red-fox.png. */
export function fileNameOf(prompt: string): string {
  const words =
    prompt
      .toLowerCase()
      .normalize('NFKD')
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return `${words.join('-').slice(0, 60).replace(/-+$/, '') || 'picture'}.png`;
}
