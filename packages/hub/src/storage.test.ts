import { expect, test } from 'vitest';
import { describeStorage } from '../../../tooling/hub-server/src/storage-suite.ts';
import { type BlobStore, blobStorage } from './blob-storage.ts';
import { openBrowserStorage } from './browser-storage.ts';
import { cacheStore } from './cache-store.ts';
import { memoryStore } from './memory-storage.ts';
import { opfsStore } from './opfs-store.ts';
import type { HubStorage } from './storage.ts';

const failure = (name: string) => Object.assign(new Error(name), { name });

/** A directory as browsers have them, in memory. With `inWorker` files are written as Safari's workers do. */
function fakeDirectory(inWorker = false): FileSystemDirectoryHandle {
  const children = new Map<string, FileSystemDirectoryHandle | FileSystemFileHandle>();
  const directory = {
    kind: 'directory',
    async getDirectoryHandle(name: string, { create = false } = {}) {
      const found = children.get(name) ?? (create ? fakeDirectory(inWorker) : undefined);
      if (!found) throw failure('NotFoundError');
      if (found.kind !== 'directory') throw failure('TypeMismatchError');
      children.set(name, found);
      return found;
    },
    async getFileHandle(name: string, { create = false } = {}) {
      const found = children.get(name) ?? (create ? fakeFile(inWorker) : undefined);
      if (!found) throw failure('NotFoundError');
      if (found.kind !== 'file') throw failure('TypeMismatchError');
      children.set(name, found);
      return found;
    },
    async removeEntry(name: string) {
      if (!children.delete(name)) throw failure('NotFoundError');
    },
    async *entries() {
      yield* [...children];
    },
  };
  return directory as unknown as FileSystemDirectoryHandle; // what the store uses of one
}

function fakeFile(inWorker: boolean): FileSystemFileHandle {
  let content = new Blob();
  const inPage = {
    async createWritable() {
      let written = new Blob();
      return {
        write: async (data: Blob) => {
          written = new Blob([written, data]);
        },
        close: async () => {
          content = written;
        },
      };
    },
  };
  const worker = {
    createSyncAccessHandle: async () => ({
      truncate: () => {
        content = new Blob();
      },
      write: (bytes: Uint8Array<ArrayBuffer>) => {
        content = new Blob([bytes]);
      },
      flush: () => {},
      close: () => {},
    }),
  };
  const file = { kind: 'file', getFile: async () => content, ...(inWorker ? worker : inPage) };
  return file as unknown as FileSystemFileHandle; // what the store uses of one
}

/** A cache as browsers have them, in memory. */
function fakeCache(): Cache {
  const entries = new Map<string, Response>();
  const cache = {
    match: async (url: string) => entries.get(url)?.clone(),
    put: async (url: string, response: Response) => void entries.set(url, response),
    delete: async (url: string) => entries.delete(url),
    keys: async () => [...entries.keys()].map((url) => new Request(url)),
  };
  return cache as unknown as Cache; // what the store uses of one
}

const twice = (store: BlobStore, pieceSize: number): [HubStorage, HubStorage] => [
  blobStorage(store, { pieceSize }),
  blobStorage(store, { pieceSize }),
];

describeStorage('memory', async () => twice(memoryStore(), 1000));
describeStorage('memory, in small pieces', async () => twice(memoryStore(), 2));
describeStorage('private files', async () => twice(opfsStore(fakeDirectory()), 2));
describeStorage('private files, from a worker', async () => twice(opfsStore(fakeDirectory(true)), 1000));
describeStorage('the Cache API', async () => twice(cacheStore(fakeCache()), 2));

// Where this runs in a browser, what that really has.
let places = 0;
if (globalThis.navigator?.storage) {
  describeStorage("this browser's private files", async () => {
    const root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle(`test-${Date.now()}-${places++}`, { create: true });
    return twice(opfsStore(directory), 2);
  });
}
if (globalThis.caches) {
  describeStorage("this browser's Cache API", async () =>
    twice(cacheStore(await caches.open(`test-${Date.now()}-${places++}`)), 2),
  );
}

test('a file that lacks a piece is downloaded again, and what says that it is there goes first', async () => {
  const store = memoryStore();
  const storage = blobStorage(store, { pieceSize: 4 });
  const [repo, blob] = ['owner/name', 'b'.repeat(40)];
  const write = async () => {
    const partial = await storage.openBlob(repo, { blob, size: 10 });
    if (!partial) return false;
    await partial.append(new Uint8Array(10 - partial.loaded).fill(7));
    await partial.complete();
    return true;
  };
  expect([await write(), await write()]).toEqual([true, false]);
  const pieces = (await store.keys('')).filter((key) => key.includes('.pieces/'));
  await store.delete(pieces[0]!);
  expect([await write(), await write()]).toEqual([true, false]);
  const deleted: string[] = [];
  const noting: BlobStore = {
    ...store,
    delete: async (key) => {
      deleted.push(key);
      await store.delete(key);
    },
  };
  await blobStorage(noting, { pieceSize: 4 }).remove(repo);
  const isPiece = deleted.map((key) => key.includes('.pieces/'));
  expect(isPiece).toEqual(isPiece.toSorted());
  expect(await store.keys('')).toEqual([]);
});

test('a page has private files, or else the Cache API, or else an error that says why', async () => {
  const caches = { open: async () => fakeCache() } as unknown as CacheStorage; // all that is used of it
  const estimate = async () => ({ quota: 10, usage: 4 });
  const files = { getDirectory: async () => fakeDirectory(), estimate };
  const refused = { getDirectory: () => Promise.reject(failure('SecurityError')), estimate };
  expect((await openBrowserStorage({ storage: files, caches })).name).toBe('origin private file system');
  expect((await openBrowserStorage({ storage: refused, caches })).name).toBe('Cache API');
  expect((await openBrowserStorage({ caches })).name).toBe('Cache API');
  await expect(openBrowserStorage({ storage: refused })).rejects.toThrow(
    'The cache of models (of the browser) cannot be written to (there is none). Serve the page over https.',
  );
});

test('what does not fit is refused beforehand where the browser says how much is left', async () => {
  const storage = await openBrowserStorage({
    storage: {
      getDirectory: async () => fakeDirectory(),
      estimate: async () => ({ quota: 5e6, usage: 4e6 }),
    },
  });
  await expect(storage.openBlob('owner/name', { blob: 'b'.repeat(40), size: 1.5e9 })).rejects.toThrow(
    'The cache of models (origin private file system) has no room for 1500 MB more: 1.0 MB are free. Free some, or put the cache somewhere else.',
  );
  const part = await storage.openBlob('owner/name', { blob: 'b'.repeat(40), size: 1e6 });
  await part?.discard();
});

test.each([
  ['QuotaExceededError', /has no room for 0\.0 MB more: it is full/],
  ['NotAllowedError', /cannot be written to \(NotAllowedError\)\. Allow this page to keep data\./],
])('%s while writing says what to do', async (name, message) => {
  const store = { ...memoryStore(), put: () => Promise.reject(failure(name)) };
  await expect(blobStorage(store).writeRef('owner/name', 'main', 'c'.repeat(40))).rejects.toThrow(message);
});
