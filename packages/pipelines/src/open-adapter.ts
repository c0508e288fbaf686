// What an adapter is called by whoever adds it: a file or a folder, here or on a hub.
import type { Folder } from '@emulsion/checkpoints';
import { isRepoId } from '@emulsion/hub';
import { findFolder } from '#platform';
import { findModelFile, type OpenSourceOptions, openSource } from './open-source.ts';

/** A file in a folder. */
export interface FolderFile {
  readonly folder: Folder;
  readonly path: string;
}

/** A folder, or a file in it. */
export interface OpenedAdapter {
  readonly folder: Folder;
  readonly path?: string | undefined;
}

/** Whether a path ends as a file does. */
const isFile = (source: string) => /\.[a-z]+$/i.test(source);

/** Opens an adapter's file, or its folder if the path has no ending. @throws the errors of `openSource` */
export async function openAdapter(source: string, options: OpenSourceOptions): Promise<OpenedAdapter> {
  if (isFile(source)) return findModelFile(source, options);
  return { folder: await openFolder(source, options) };
}

/** Opens a folder here, a model on a hub, or a folder in one, as in `owner/name/folder`. @throws the errors of `openSource` */
export async function openFolder(source: string, options: OpenSourceOptions): Promise<Folder> {
  const [owner, name, ...inside] = source.split('/');
  const repo = `${owner}/${name}`;
  if (inside.length === 0 || !isRepoId(repo) || (await findFolder(source)))
    return (await openSource(source, options)).folder;
  return (await openSource(repo, options)).folder.subfolder(inside.join('/'));
}
