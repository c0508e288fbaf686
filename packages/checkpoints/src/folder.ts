// Where a model's files come from: a folder on a disk, in memory, or anywhere else that can give a range of bytes.
import type { FileRef } from '@emulsion/onnx';
import { InvalidFileError } from './errors.ts';
import type { Weights } from './weight.ts';

/** Part of a file: `length` bytes from `offset` on. */
export interface ReadRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * The files of one model. Paths are relative to the folder, with `/` between their parts; none leads out of it.
 * Every method that takes a path throws an `InvalidArgumentError` for one that would.
 */
export interface Folder {
  /** What messages call the folder, for instance its path. */
  readonly name: string;
  has(path: string): Promise<boolean>;
  /** Bytes of a file. @throws {MissingFileError} */
  size(path: string): Promise<number>;
  /**
   * The bytes of a file, or just those of `range`.
   * @throws {MissingFileError} @throws {InvalidArgumentError} if the range ends after the file does
   */
  read(path: string, range?: ReadRange): Promise<Uint8Array>;
  /** Where the file is, for weights that are used in place. @throws {MissingFileError} */
  locate(path: string): Promise<FileRef>;
  /** The folder inside this one; that it holds nothing, or is not there, shows when a file of it is asked for. */
  subfolder(path: string): Folder;
  /** The weights of a component that has no file of its own, because the whole model is in one. */
  weights?(): Promise<Weights>;
}

/**
 * A JSON file's value, not yet checked. `Infinity` and `NaN`, which Python writes where JSON has no number, are read
 * as infinities and null.
 * @throws {MissingFileError} @throws {InvalidFileError} if it is not JSON
 */
export async function readJson(folder: Folder, path: string): Promise<unknown> {
  const bytes = await folder.read(path);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    try {
      return JSON.parse(text);
    } catch {
      return JSON.parse(withoutPythonNumbers(text));
    }
  } catch (cause) {
    throw new InvalidFileError(folder, path, 'it is not JSON', { cause });
  }
}

/** JSON has no word for infinity, but a number that is too large is read as it. */
function withoutPythonNumbers(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|\bInfinity\b|\bNaN\b/g, (token) =>
    token === 'Infinity' ? '1e999' : token === 'NaN' ? 'null' : token,
  );
}
