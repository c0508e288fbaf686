// The files of a commit, with their sizes and checksums: as the hub lists them, and as the cache remembers the list.
import { isChecksum } from './checksum.ts';
import { HubResponseError } from './errors.ts';
import { apiUrl, type HubClient, requestJson } from './hub-client.ts';
import { isPlainPath } from './names.ts';

/** A file of a commit. */
export interface ListedFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of a file in large file storage, git's SHA-1 of another; also the name of its blob in a cache. */
  readonly checksum: string;
}

/** The files of a commit by their paths. */
export type FileList = ReadonlyMap<string, ListedFile>;

/** A file in the list that huggingface_hub keeps in `trees/<commit>.json`. */
interface TreeCacheEntry {
  readonly size: number;
  readonly blob_id: string;
  readonly lfs_sha256?: string;
  readonly lfs_size?: number;
  readonly xet_hash?: string;
}

const treeCacheVersion = 1;

/**
 * Asks the hub for the files of a commit.
 * @returns the list, and the text under which the cache remembers it
 * @throws {HubResponseError} if the answer makes no sense, and the errors of a request
 */
export async function fetchFileList(
  client: HubClient,
  repo: string,
  commit: string,
): Promise<{ files: FileList; json: string }> {
  const entries = new Map<string, TreeCacheEntry>();
  const address = apiUrl(client, repo, 'tree', commit);
  const pages = new Set<string>();
  for (let page: string | undefined = '?recursive=true'; page !== undefined; ) {
    const url: string = address + page;
    if (pages.has(page)) throw new HubResponseError(url, 'its list of files has no end');
    pages.add(page);
    const { json, headers } = await requestJson(client, url, { repo, revision: commit });
    if (!Array.isArray(json)) throw new HubResponseError(url, 'its list of files is not a list');
    for (const item of json) {
      if (!isRecord(item) || item.type !== 'file') continue;
      entries.set(...parseItem(item, url));
    }
    page = nextPage(headers.get('link'), url);
  }
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  const list = { format_version: treeCacheVersion, files: Object.fromEntries(sorted) };
  return { files: listOf(sorted), json: JSON.stringify(list, undefined, 1) };
}

/** The list that a cache remembers; undefined if it is damaged or of a later format. */
export function parseFileList(json: string): FileList | undefined {
  try {
    const list: unknown = JSON.parse(json);
    if (!isRecord(list) || list.format_version !== treeCacheVersion || !isRecord(list.files))
      return undefined;
    const entries: [string, TreeCacheEntry][] = [];
    for (const [path, entry] of Object.entries(list.files)) {
      if (!isTreeCacheEntry(entry) || !isPlainPath(path)) return undefined;
      entries.push([path, entry]);
    }
    return listOf(entries);
  } catch {
    return undefined;
  }
}

function listOf(entries: readonly (readonly [string, TreeCacheEntry])[]): FileList {
  return new Map(
    entries.map(([path, { size, blob_id, lfs_sha256, lfs_size }]) => [
      path,
      { path, size: lfs_size ?? size, checksum: lfs_sha256 ?? blob_id },
    ]),
  );
}

/** A file of the hub's list. Its path and checksum become names of files here, so they are looked at closely. */
function parseItem(item: Record<string, unknown>, url: string): [path: string, entry: TreeCacheEntry] {
  const { path, size, oid, lfs, xetHash } = item;
  const entry = {
    size,
    blob_id: oid,
    ...(isRecord(lfs) && { lfs_sha256: lfs.oid, lfs_size: lfs.size }),
    ...(typeof xetHash === 'string' && isHash(xetHash) && { xet_hash: xetHash }),
  };
  if (typeof path !== 'string' || !isTreeCacheEntry(entry)) {
    throw new HubResponseError(
      url,
      `its list of files has an entry that is none: ${JSON.stringify(item).slice(0, 200)}`,
    );
  }
  if (!isPlainPath(path)) {
    throw new HubResponseError(url, `its list of files has a path that is none: ${JSON.stringify(path)}`);
  }
  return [path, entry];
}

/** The query of the page that follows. Only the query, as a mirror may pass on links to the hub that it mirrors. */
function nextPage(link: string | null, url: string): string | undefined {
  const next = /<([^>]*)>\s*;[^,]*\brel="?next\b/.exec(link ?? '')?.[1];
  return next === undefined ? undefined : URL.parse(next, url)?.search;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSize = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;

const isHash = (value: unknown) => typeof value === 'string' && isChecksum(value);

const isTreeCacheEntry = (value: unknown): value is TreeCacheEntry =>
  isRecord(value) &&
  isSize(value.size) &&
  isHash(value.blob_id) &&
  (value.lfs_sha256 === undefined
    ? value.lfs_size === undefined
    : isHash(value.lfs_sha256) && isSize(value.lfs_size));
