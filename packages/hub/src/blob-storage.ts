// A cache of models over any store of blobs by key, such as a browser has. The keys are the paths of the Hugging Face
// cache; a blob is kept in pieces, as it arrived, so that a download can go on and nothing is ever copied.
import { assertRange, type Folder, MissingFileError, resolvePath } from '@emulsion/checkpoints';
import { StorageError, StorageFullError } from './errors.ts';
import { acquireLock } from './lock.ts';
import { repoFolderName, repoOfFolderName } from './names.ts';
import type { HubStorage, PartialBlob } from './storage.ts';

/** Blobs by key. Keys are paths with `/`; to put a value replaces the one before. */
export interface BlobStore {
  /** What messages call it. */
  readonly name: string;
  get(key: string): Promise<Blob | undefined>;
  put(key: string, value: Blob): Promise<void>;
  delete(key: string): Promise<void>;
  /** The keys that begin with `prefix`, which is empty or ends with `/`. */
  keys(prefix: string): Promise<readonly string[]>;
  /** Bytes that may still be put, where that is known. */
  free?(): Promise<number | undefined>;
}

export interface BlobStorageOptions {
  /** Bytes of a piece: what is held in memory until it is put, and what a crash costs at most. 16 MiB. */
  readonly pieceSize?: number | undefined;
}

/** How much of a blob is read at once, when it is read for its checksum. */
const readSize = 2 ** 20;

/** A cache over a store of blobs. */
export function blobStorage(
  store: BlobStore,
  { pieceSize = 16 * 2 ** 20 }: BlobStorageOptions = {},
): HubStorage {
  const { name } = store;
  const readText = async (key: string) => (await store.get(key))?.text();
  const put = (key: string, value: Blob) =>
    store.put(key, value).catch((cause: unknown) => {
      if (cause instanceof Error && cause.name === 'QuotaExceededError')
        throw new StorageFullError({ name }, value.size, undefined, { cause });
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StorageError({ name }, reason, 'Allow this page to keep data.', { cause });
    });
  const putText = (key: string, text: string) => put(key, new Blob([text]));

  const refKey = (repo: string, revision: string) => `${repoFolderName(repo)}/refs/${revision}`;
  const listKey = (repo: string, commit: string) => `${repoFolderName(repo)}/trees/${commit}.json`;
  const snapshotPrefix = (repo: string, commit: string) => `${repoFolderName(repo)}/snapshots/${commit}/`;
  /** Holds the size of a blob that is complete. */
  const blobKey = (repo: string, blob: string) => `${repoFolderName(repo)}/blobs/${blob}`;
  const piecePrefix = (repo: string, blob: string) => `${blobKey(repo, blob)}.pieces/`;
  /** The key of the piece that begins at a byte; as many digits as the largest offset has, so that keys sort. */
  const pieceKey = (repo: string, blob: string, offset: number) =>
    `${piecePrefix(repo, blob)}${`${offset}`.padStart(16, '0')}`;

  /** The pieces of a blob from its beginning, as far as none is missing. */
  const openPieces = async (repo: string, blob: string): Promise<Blob> => {
    const pieces: Blob[] = [];
    let size = 0;
    for (const key of [...(await store.keys(piecePrefix(repo, blob)))].sort()) {
      const piece = key === pieceKey(repo, blob, size) ? await store.get(key) : undefined;
      if (!piece) break;
      pieces.push(piece);
      size += piece.size;
    }
    // Made of parts where they lie; nothing is read.
    return new Blob(pieces);
  };
  const removeBlob = async (repo: string, blob: string) => {
    await store.delete(blobKey(repo, blob));
    for (const key of await store.keys(piecePrefix(repo, blob))) await store.delete(key);
  };
  const completeSize = async (repo: string, blob: string): Promise<number | undefined> => {
    const text = await readText(blobKey(repo, blob));
    return text === undefined ? undefined : Number(text);
  };

  return {
    name,
    readRef: (repo, revision) => readText(refKey(repo, revision)),
    writeRef: (repo, revision, commit) => putText(refKey(repo, revision), commit),
    readFileList: (repo, commit) => readText(listKey(repo, commit)),
    writeFileList: (repo, commit, json) => putText(listKey(repo, commit), json),

    snapshot(repo, commit, folderName) {
      const prefix = snapshotPrefix(repo, commit);
      const find = async (path: string): Promise<Blob | undefined> => {
        const blob = await readText(prefix + path);
        if (blob === undefined || (await completeSize(repo, blob)) === undefined) return undefined;
        return openPieces(repo, blob);
      };
      return snapshotFolder(find, folderName, '');
    },
    async listSnapshot(repo, commit) {
      const prefix = snapshotPrefix(repo, commit);
      const paths: string[] = [];
      for (const key of await store.keys(prefix)) {
        const blob = await readText(key);
        if (blob && (await completeSize(repo, blob)) !== undefined) paths.push(key.slice(prefix.length));
      }
      return paths;
    },
    link: (repo, commit, path, blob) => putText(snapshotPrefix(repo, commit) + path, blob),

    async openBlob(repo, { blob, size, signal, onWait }) {
      const unlock = await acquireLock(`${name}:${blobKey(repo, blob)}`, signal, async () => {
        onWait?.((await openPieces(repo, blob)).size);
      });
      try {
        const complete = await completeSize(repo, blob);
        // A piece may be missing where the page was closed while all was cleared.
        if (complete === size && (await openPieces(repo, blob)).size === size) {
          unlock();
          return undefined;
        }
        if (complete !== undefined) await removeBlob(repo, blob);
        const there = await openPieces(repo, blob);
        const free = await store.free?.();
        const needed = size - there.size;
        if (free !== undefined && needed > free) throw new StorageFullError({ name }, needed, free);
        return partialBlob(there);
      } catch (error) {
        unlock();
        throw error;
      }

      function partialBlob(there: Blob): PartialBlob {
        let stored = there.size;
        let waiting: Uint8Array<ArrayBuffer>[] = [];
        let waitingSize = 0;
        let open = true;
        const flush = async () => {
          if (waitingSize === 0) return;
          const piece = new Blob(waiting);
          await put(pieceKey(repo, blob, stored), piece);
          stored += piece.size;
          waiting = [];
          waitingSize = 0;
        };
        const end = (action: () => Promise<void>) => async () => {
          if (!open) return;
          open = false;
          try {
            await action();
          } finally {
            unlock();
          }
        };
        return {
          get loaded() {
            return stored + waitingSize;
          },
          async *read() {
            for (let offset = 0; offset < there.size; offset += readSize)
              yield new Uint8Array(await there.slice(offset, offset + readSize).arrayBuffer());
          },
          async append(bytes) {
            // A copy: who receives bytes may use the same memory again.
            waiting.push(new Uint8Array(bytes));
            waitingSize += bytes.length;
            if (waitingSize >= pieceSize) await flush();
          },
          async restart() {
            waiting = [];
            waitingSize = 0;
            stored = 0;
            there = new Blob();
            await removeBlob(repo, blob);
          },
          complete: end(async () => {
            await flush();
            await putText(blobKey(repo, blob), `${stored}`);
          }),
          discard: end(() => removeBlob(repo, blob)),
          release: end(flush),
        };
      }
    },

    async listRepos() {
      const folders = new Set((await store.keys('')).map((key) => key.split('/', 1)[0]!));
      return [...folders].flatMap((folder) => repoOfFolderName(folder) ?? []).sort();
    },
    async remove(repo) {
      let freed = 0;
      const keys = await store.keys(`${repoFolderName(repo)}/`);
      const isPiece = (key: string) => key.includes('.pieces/');
      // What says that a file is there goes before the file.
      for (const key of [...keys.filter((each) => !isPiece(each)), ...keys.filter(isPiece)]) {
        freed += (await store.get(key))?.size ?? 0;
        await store.delete(key);
      }
      return freed;
    },
  };
}

/** The folder of a snapshot. @param find gives the contents of a file by its path in the snapshot */
function snapshotFolder(
  find: (path: string) => Promise<Blob | undefined>,
  name: string,
  parents: string,
): Folder {
  const open = async (path: string) => {
    const blob = await find(parents + resolvePath(name, path));
    if (!blob) throw new MissingFileError({ name }, path);
    return blob;
  };
  return {
    name,
    has: async (path) => (await find(parents + resolvePath(name, path))) !== undefined,
    size: async (path) => (await open(path)).size,
    async read(path, range) {
      const blob = await open(path);
      if (range) assertRange(name, path, range, blob.size);
      const part = range ? blob.slice(range.offset, range.offset + range.length) : blob;
      return new Uint8Array(await part.arrayBuffer());
    },
    locate: async (path) => ({ kind: 'blob', name: `${name}/${path}`, blob: await open(path) }),
    subfolder: (path) => snapshotFolder(find, `${name}/${path}`, `${parents}${resolvePath(name, path)}/`),
  };
}
