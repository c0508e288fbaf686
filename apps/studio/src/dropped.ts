// What a visitor drops on the page: a picture with settings in it, a model's folder, or files of adapters.
import { isAdapterFile } from './adapters.ts';
import type { ModelSource, PlacedFile } from './model-source.ts';

export type Dropped =
  | { readonly kind: 'picture'; readonly file: File }
  | { readonly kind: 'adapters'; readonly files: readonly File[] }
  | { readonly kind: 'model'; readonly source: ModelSource };

/** Understands a drop. The browser forgets its items when the event is over, so they are all asked at once. */
export function readDrop(items: DataTransferItemList): Promise<Dropped | undefined> {
  const all = [...items].filter(({ kind }) => kind === 'file');
  const [item] = all;
  const entry = item?.webkitGetAsEntry();
  const file = item?.getAsFile();
  if (entry?.isDirectory) return readFolder(entry as FileSystemDirectoryEntry);
  const files = all.flatMap((each) => each.getAsFile() ?? []);
  if (files.length > 0 && files.every(isAdapterFile)) return Promise.resolve({ kind: 'adapters', files });
  return Promise.resolve(file ? { kind: 'picture', file } : undefined);
}

async function readFolder(folder: FileSystemDirectoryEntry): Promise<Dropped> {
  const files: PlacedFile[] = [];
  for await (const entry of filesOf(folder)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    files.push({ path: entry.fullPath.slice(1), file });
  }
  return { kind: 'model', source: { kind: 'files', name: folder.name, files } };
}

async function* filesOf(folder: FileSystemDirectoryEntry): AsyncGenerator<FileSystemFileEntry> {
  const reader = folder.createReader();
  const next = () => new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
  // A reader gives some entries at a time, and none at the end.
  for (let entries = await next(); entries.length > 0; entries = await next()) {
    for (const entry of entries) {
      if (entry.isDirectory) yield* filesOf(entry as FileSystemDirectoryEntry);
      else yield entry as FileSystemFileEntry;
    }
  }
}

/** The files of an `<input type="file" webkitdirectory>`. */
export function pickedFolder(list: Iterable<File>): ModelSource | undefined {
  const files = [...list].map((file) => ({ path: file.webkitRelativePath, file }));
  const name = files[0]?.path.split('/')[0];
  return name === undefined ? undefined : { kind: 'files', name, files };
}
