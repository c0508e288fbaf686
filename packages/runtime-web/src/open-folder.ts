// Folders that a visitor gives: picked, dropped, or a list of files. Nothing is read before it is needed.
import { type Folder, resolvePath } from '@emulsion/checkpoints';
import { blobFolder } from './blob-folder.ts';

/**
 * A model's folder in the browser.
 * @param source a directory handle (`showDirectoryPicker()`, or of the origin's private file system), a directory entry
 * (`webkitGetAsEntry()` of what was dropped), or files: those of an `<input type="file" webkitdirectory>`, whose paths
 * start with the folder that was chosen
 * @param name what messages call it
 */
export function openFolder(
  source: FileSystemDirectoryHandle | FileSystemDirectoryEntry | Iterable<File>,
  name?: string,
): Folder {
  if (Symbol.iterator in source) return fromFiles([...source], name);
  if ('getFileHandle' in source) {
    return blobFolder(name ?? (source.name || 'folder'), (path) => fromHandle(source, path));
  }
  return blobFolder(name ?? source.name, (path) => fromEntry(source, path));
}

function fromFiles(files: readonly File[], name: string | undefined): Folder {
  /** The folder that was chosen, and the path in it; no folder for files that were chosen one by one. */
  const split = (file: File) => (file.webkitRelativePath || `/${file.name}`).split('/');
  const [first] = files;
  const own = name ?? ((first && split(first)[0]) || 'files');
  const byPath = new Map(files.map((file) => [resolvePath(own, split(file).slice(1).join('/')), file]));
  return blobFolder(own, async (path) => byPath.get(path));
}

/** What the browser says where there is no such file, or something else has its name. */
const isMissing = (error: unknown) =>
  error instanceof DOMException && (error.name === 'NotFoundError' || error.name === 'TypeMismatchError');

async function fromHandle(folder: FileSystemDirectoryHandle, path: string): Promise<File | undefined> {
  const parents = path.split('/');
  const last = parents.pop()!;
  try {
    let parent = folder;
    for (const part of parents) parent = await parent.getDirectoryHandle(part);
    return await (await parent.getFileHandle(last)).getFile();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function fromEntry(folder: FileSystemDirectoryEntry, path: string): Promise<File | undefined> {
  try {
    const entry = await new Promise<FileSystemEntry>((resolve, reject) => {
      folder.getFile(path, {}, resolve, reject);
    });
    // Asked for a file, the browser gives one or fails.
    return await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
