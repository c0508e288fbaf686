// Where folders, hubs and devices come from in Node.
import { type Folder, MissingFolderError } from '@emulsion/checkpoints';
import { openFolder } from '@emulsion/runtime-node';

export { createDevice, hubEnvironment } from '@emulsion/runtime-node';

/** The folder at a path, if there is one. */
export async function findFolder(path: string): Promise<Folder | undefined> {
  try {
    return await openFolder(path);
  } catch (error) {
    if (MissingFolderError.is(error)) return undefined;
    throw error;
  }
}
