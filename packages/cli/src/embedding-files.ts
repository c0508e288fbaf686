// Files of embeddings on the command line.
import { basename, dirname } from 'node:path';
import { readTextualInversion, type TextualInversion } from '@emulsion/adapters';
import { openFolder } from '@emulsion/runtime-node';
import { UsageError } from './errors.ts';

/** Reads embeddings. @throws {UsageError} if a file is not there, and the errors of the reader */
export function readEmbeddings(paths: readonly string[]): Promise<TextualInversion[]> {
  return Promise.all(
    paths.map(async (path) => {
      const folder = await openFolder(dirname(path));
      if (!(await folder.has(basename(path))))
        throw new UsageError(`--embedding: there is no file "${path}". Check the path.`);
      return readTextualInversion(folder, basename(path));
    }),
  );
}
