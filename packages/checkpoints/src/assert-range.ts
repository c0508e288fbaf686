// The check that every folder makes before it reads a part of a file.
import { InvalidArgumentError } from '@emulsion/tensor';
import type { ReadRange } from './folder.ts';

/**
 * Checks that a file of `size` bytes has the bytes of `range`.
 * @param folder what messages call the folder
 * @throws {InvalidArgumentError}
 */
export function assertRange(folder: string, path: string, { offset, length }: ReadRange, size: number): void {
  if ([offset, length].every((n) => Number.isSafeInteger(n) && n >= 0) && offset + length <= size) return;
  throw new InvalidArgumentError(
    `${folder}/${path}: ${length} bytes from byte ${offset} on were asked for, the file has ${size}. Ask for bytes that it has.`,
  );
}
