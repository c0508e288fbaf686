// A ready-made ONNX graph, with its weights where they lie: in the file or in files beside it.
import {
  type FileRef,
  GraphError,
  type Model,
  type Resolve,
  readModel,
  withPortableTypes,
} from '@emulsion/onnx';
import { InvalidArgumentError } from '@emulsion/tensor';
import { InvalidFileError } from './errors.ts';
import type { Folder } from './folder.ts';

/**
 * Reads an `.onnx` file; weights that are stored in other files of the folder stay there. Inputs and outputs have the
 * types that devices take; see `withPortableTypes`.
 * @throws {MissingFileError} if it or a file of weights is missing, {InvalidFileError} if it is damaged
 */
export async function openOnnx(folder: Folder, path: string): Promise<Model> {
  const bytes = await folder.read(path);
  // The first reading tells which files there are, the second where the weights are in them.
  const locations = new Set<string>();
  const model = parse(folder, path, bytes, (location, offset, length) => {
    locations.add(location);
    return { file: { kind: 'bytes', name: location, bytes: new Uint8Array() }, offset, length };
  });
  if (locations.size === 0) return model;
  const files = new Map<string, LocatedFile>();
  for (const location of locations) files.set(location, await locateBeside(folder, path, location));
  return parse(folder, path, bytes, (location, offset, length) => {
    const { file, size } = files.get(location)!;
    if (offset >= 0 && offset + length <= size) return { file, offset, length };
    throw new InvalidFileError(
      folder,
      path,
      `its weights go on to byte ${offset + length} of ${quote(location)}, which has ${size}`,
    );
  });
}

interface LocatedFile {
  readonly file: FileRef;
  readonly size: number;
}

function parse(folder: Folder, path: string, bytes: Uint8Array, resolve: Resolve): Model {
  try {
    return withPortableTypes(readModel(bytes, resolve));
  } catch (cause) {
    if (!GraphError.is(cause)) throw cause;
    throw new InvalidFileError(folder, path, cause.message.replace(/\.$/, ''), { cause });
  }
}

async function locateBeside(folder: Folder, path: string, location: string): Promise<LocatedFile> {
  const beside = path.slice(0, path.lastIndexOf('/') + 1) + location;
  try {
    return { file: await folder.locate(beside), size: await folder.size(beside) };
  } catch (cause) {
    // A name that leads out of the folder is the file's fault, not the caller's.
    if (!InvalidArgumentError.is(cause)) throw cause;
    throw new InvalidFileError(
      folder,
      path,
      `its weights are said to be in ${quote(location)}, which is no file beside it`,
      { cause },
    );
  }
}

const quote = (name: string) => JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
