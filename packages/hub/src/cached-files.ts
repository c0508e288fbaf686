// What of a model there is, here and on its hub, and how to be rid of what is here.
import { openBrowserStorage } from './browser-storage.ts';
import { parseFileList } from './file-list.ts';
import { type HubOptions, knownCommit, openRepo } from './hub-folder.ts';
import { assertRepoId, assertRevision } from './names.ts';
import type { HubStorage } from './storage.ts';

/** A file of a model. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Whether it is in the cache. */
  readonly cached: boolean;
}

/**
 * The files of a model, in the order of their paths. With `localFilesOnly` those of a model that was opened once; if
 * only other programs loaded it, those in the cache.
 * @throws as `openHubFolder`
 */
export async function listFiles(repo: string, options: HubOptions = {}): Promise<HubFile[]> {
  const { storage, commit, files, name } = await openRepo(repo, options);
  const snapshot = storage.snapshot(repo, commit, name);
  const listed = files ? [...files.values()] : [];
  const others = files ? [] : await storage.listSnapshot(repo, commit);
  const found = [
    ...listed.map(async ({ path, size }) => {
      return { path, size, cached: (await snapshot.has(path)) && (await snapshot.size(path)) === size };
    }),
    ...others.map(async (path) => ({ path, size: await snapshot.size(path), cached: true })),
  ];
  return (await Promise.all(found)).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Which copy of a model in the cache. */
export interface CacheOptions {
  /** A branch, a tag or a commit; `main` unless said otherwise. */
  readonly revision?: string | undefined;
  /** The cache; the browser's own unless given. */
  readonly storage?: HubStorage | undefined;
}

/**
 * Whether files of a model are in the cache, all of them: the network is not asked. Without paths, whether any file is.
 */
export async function isCached(
  repo: string,
  paths: readonly string[] = [],
  { revision = 'main', storage }: CacheOptions = {},
): Promise<boolean> {
  assertRepoId(repo);
  assertRevision(repo, revision);
  const cache = storage ?? (await openBrowserStorage());
  const commit = await knownCommit(cache, repo, revision);
  if (commit === undefined) return false;
  const snapshot = cache.snapshot(repo, commit, repo);
  const files = parseFileList((await cache.readFileList(repo, commit)) ?? '');
  for (const path of paths) {
    if (!(await snapshot.has(path))) return false;
    const size = files?.get(path)?.size;
    if (size !== undefined && (await snapshot.size(path)) !== size) return false;
  }
  return paths.length > 0 || (await cache.listSnapshot(repo, commit)).length > 0;
}

/** The models of which something is in the cache. */
export async function listCached(options: Pick<CacheOptions, 'storage'> = {}): Promise<readonly string[]> {
  return (options.storage ?? (await openBrowserStorage())).listRepos();
}

/**
 * Removes a model, with all of its revisions, from the cache. In Node that is the cache of the other programs on the
 * machine too.
 * @returns the bytes that this freed
 */
export async function clearCache(repo: string, options: Pick<CacheOptions, 'storage'> = {}): Promise<number> {
  assertRepoId(repo);
  return (options.storage ?? (await openBrowserStorage())).remove(repo);
}
