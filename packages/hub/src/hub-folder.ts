// A model on a hub as a folder: what is read of it is downloaded first, checked, and kept in the cache.
import { type Folder, MissingFileError, resolvePath } from '@emulsion/checkpoints';
import { openBrowserStorage } from './browser-storage.ts';
import { download } from './download.ts';
import {
  HubBusyError,
  HubResponseError,
  HubUnreachableError,
  NotCachedError,
  RevisionNotFoundError,
  StorageError,
  StorageFullError,
} from './errors.ts';
import { type FileList, fetchFileList, parseFileList } from './file-list.ts';
import { apiUrl, createHubClient, type HubClient, type HubClientOptions, requestJson } from './hub-client.ts';
import { assertRepoId, assertRevision, isCommit } from './names.ts';
import { createProgress, type DownloadEvent } from './progress.ts';
import type { HubStorage } from './storage.ts';

/** Where a model comes from, and where it is kept. */
export interface HubOptions extends HubClientOptions {
  /** A branch, a tag or a commit; `main` unless said otherwise. */
  readonly revision?: string | undefined;
  /** The cache; the browser's own unless given. In Node, `hubEnvironment` of runtime-node has the one of Hugging Face. */
  readonly storage?: HubStorage | undefined;
  /** Use what is in the cache, and the network not at all. */
  readonly localFilesOnly?: boolean | undefined;
}

export interface OpenHubFolderOptions extends HubOptions {
  readonly onProgress?: ((event: DownloadEvent) => void) | undefined;
}

/** The files of a model on a hub, at one commit. */
export interface HubFolder extends Folder {
  readonly repo: string;
  readonly commit: string;
  /** What did not go as it should and did no harm, in sentences: that the hub was not reached, for instance. */
  readonly notes: readonly string[];
}

/**
 * Opens a model on a hub. Now, its revision and the list of its files are looked up; a file is downloaded, checked and
 * kept when it is first read or located. If the hub cannot be reached, what it said last is taken from the cache.
 * @param repo owner and name, as in `stabilityai/sdxl-turbo`
 * @throws {RepositoryNotFoundError} {GatedRepositoryError} {InvalidTokenError} {RevisionNotFoundError}
 * {HubUnreachableError} {HubBusyError} {HubResponseError} if the hub does not give the list
 * @throws {NotCachedError} if it must come from the cache, which does not have it
 */
export async function openHubFolder(repo: string, options: OpenHubFolderOptions = {}): Promise<HubFolder> {
  const model = await openRepo(repo, options);
  const { client, storage, commit, files, name } = model;
  const { localFilesOnly = false, onProgress } = options;
  const cached = storage.snapshot(repo, commit, name);
  const progress = createProgress(repo, onProgress);
  const underWay = new Map<string, Promise<void>>();

  const isHere = async (path: string) => {
    const listed = files?.get(path);
    // A copy of another size is damaged: what is in the cache was checked when it came there.
    return (await cached.has(path)) && (!listed || (await cached.size(path)) === listed.size);
  };
  const fetchFile = async (path: string) => {
    if (await isHere(path)) return;
    const file = files?.get(path);
    if (files && !file) throw new MissingFileError({ name }, path);
    if (localFilesOnly || !file) throw new NotCachedError({ repo, revision: model.revision, path }, storage);
    const { loaded, done } = progress.begin(path, file.size);
    let well = false;
    try {
      await download(client, storage, { repo, commit, file }, loaded);
      well = true;
    } finally {
      done(well);
    }
  };
  /** Has the file in the cache; who asks for one that is on its way waits for it. */
  const ensure = async (path: string) => {
    const running = underWay.get(path) ?? fetchFile(path).finally(() => underWay.delete(path));
    underWay.set(path, running);
    await running;
    return path;
  };

  const view = (parents: string, viewName: string): Folder => {
    const resolve = (path: string) => parents + resolvePath(viewName, path);
    return {
      name: viewName,
      has: async (path) => (files ? files.has(resolve(path)) : cached.has(resolve(path))),
      size: async (path) => files?.get(resolve(path))?.size ?? cached.size(await ensure(resolve(path))),
      read: async (path, range) => cached.read(await ensure(resolve(path)), range),
      locate: async (path) => cached.locate(await ensure(resolve(path))),
      subfolder: (path) => view(`${resolve(path)}/`, `${viewName}/${path}`),
    };
  };
  return { ...view('', name), repo, commit, notes: model.notes };
}

/** A repository at a commit, with what is known of it. */
export interface OpenedRepo {
  readonly client: HubClient;
  readonly storage: HubStorage;
  readonly revision: string;
  readonly commit: string;
  /** Its files; undefined if only those in the cache are known. */
  readonly files: FileList | undefined;
  /** What messages call it. */
  readonly name: string;
  readonly notes: readonly string[];
}

/** Looks up the commit of a revision and the list of its files, on the hub or else in the cache. @throws as `openHubFolder` */
export async function openRepo(repo: string, options: HubOptions): Promise<OpenedRepo> {
  const { revision = 'main', localFilesOnly = false } = options;
  assertRepoId(repo);
  assertRevision(repo, revision);
  const client = createHubClient(options);
  // Who only asks is not to wait for long before it is said that nobody answers.
  const asking = { ...client, maxRetries: Math.min(client.maxRetries, 3) };
  const storage = options.storage ?? (await openBrowserStorage());
  const notes: string[] = [];
  /** Remembers something. A cache that cannot be written to is still good for what is in it. */
  const remember = (write: Promise<void>) =>
    write.catch((error: unknown) => {
      if (!StorageError.is(error) && !StorageFullError.is(error)) throw error;
      if (!notes.includes(error.message)) notes.push(error.message);
    });

  const lookUpCommit = async (): Promise<string> => {
    if (isCommit(revision)) return revision;
    const known = await knownCommit(storage, repo, revision);
    if (localFilesOnly) {
      if (known === undefined) throw new NotCachedError({ repo, revision }, storage);
      return known;
    }
    try {
      // With an answer in the cache there is no need for patience.
      const commit = await fetchCommit(known === undefined ? asking : impatient(client), repo, revision);
      if (commit !== known) await remember(storage.writeRef(repo, revision, commit));
      return commit;
    } catch (error) {
      client.signal?.throwIfAborted();
      // A model that was taken down, or whose token has expired, is used on; a revision that is gone was moved on purpose.
      if (known === undefined || RevisionNotFoundError.is(error)) throw error;
      notes.push(`${repo}: the copy in the cache is used. ${reasonOf(error)}`);
      return known;
    }
  };
  const lookUpFiles = async (commit: string): Promise<FileList | undefined> => {
    const known = parseFileList((await storage.readFileList(repo, commit)) ?? '');
    if (known) return known;
    const somethingIsHere = async () => (await storage.listSnapshot(repo, commit)).length > 0;
    if (localFilesOnly) {
      if (await somethingIsHere()) return undefined;
      throw new NotCachedError({ repo, revision }, storage);
    }
    try {
      const { files, json } = await fetchFileList(asking, repo, commit);
      await remember(storage.writeFileList(repo, commit, json));
      return files;
    } catch (error) {
      if (!(HubUnreachableError.is(error) || HubBusyError.is(error)) || !(await somethingIsHere()))
        throw error;
      notes.push(`${repo}: only the files in the cache are known. ${reasonOf(error)}`);
      return undefined;
    }
  };

  const commit = await lookUpCommit();
  const files = await lookUpFiles(commit);
  const at = revision === 'main' ? repo : `${repo}@${revision}`;
  return {
    client,
    storage,
    revision,
    commit,
    files,
    name: files ? at : `${at} (its files in the cache)`,
    notes,
  };
}

/** The commit that a revision stands for, as far as the cache knows. */
export async function knownCommit(
  storage: HubStorage,
  repo: string,
  revision: string,
): Promise<string | undefined> {
  const commit = isCommit(revision) ? revision : await storage.readRef(repo, revision);
  return commit !== undefined && isCommit(commit) ? commit : undefined;
}

/** Asks the hub which commit a revision stands for. */
async function fetchCommit(client: HubClient, repo: string, revision: string): Promise<string> {
  const url = apiUrl(client, repo, 'revision', revision);
  const { json } = await requestJson(client, url, { repo, revision });
  const commit: unknown = typeof json === 'object' && json && 'sha' in json ? json.sha : undefined;
  if (typeof commit === 'string' && isCommit(commit)) return commit;
  throw new HubResponseError(url, 'its answer names no commit');
}

/** Once more, as a connection that was kept open may have been closed meanwhile, but not for long. */
const impatient = (client: HubClient): HubClient => ({
  ...client,
  maxRetries: Math.min(client.maxRetries, 1),
  stallTimeout: Math.min(client.stallTimeout, 10_000),
});

/** Why the hub gave nothing, where the rest of the message would not be true. */
function reasonOf(error: unknown): string {
  if (HubUnreachableError.is(error)) return `${error.endpoint} cannot be reached (${error.reason}).`;
  if (HubBusyError.is(error)) return `${error.endpoint} answered ${error.status}.`;
  return error instanceof Error ? error.message : String(error);
}
