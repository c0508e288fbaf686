// A cache of models in memory: for tests, and for a page that may keep nothing.
import { type BlobStore, blobStorage } from './blob-storage.ts';
import type { HubStorage } from './storage.ts';

/** A cache that ends with the program. */
export function memoryStorage(): HubStorage {
  return blobStorage(memoryStore());
}

/** Blobs in memory. */
export function memoryStore(): BlobStore {
  const blobs = new Map<string, Blob>();
  return {
    name: 'memory',
    get: async (key) => blobs.get(key),
    async put(key, value) {
      blobs.set(key, value);
    },
    async delete(key) {
      blobs.delete(key);
    },
    keys: async (prefix) => [...blobs.keys()].filter((key) => key.startsWith(prefix)),
  };
}
