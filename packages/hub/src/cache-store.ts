// Blobs in the Cache API of a browser, for where there is no file system: a key is the path of an address that nobody has.
import type { BlobStore } from './blob-storage.ts';

/** Addresses under a name that is reserved for not existing. */
const base = 'https://emulsion.invalid/';

/**
 * Blobs as responses.
 * @param cache `await caches.open(name)`
 * @param free bytes that may still be put, where that is known
 */
export function cacheStore(cache: Cache, free?: () => Promise<number | undefined>): BlobStore {
  const address = (key: string) => base + key.split('/').map(encodeURIComponent).join('/');
  return {
    name: 'Cache API',
    get: async (key) => (await cache.match(address(key)))?.blob(),
    put: (key, value) => cache.put(address(key), new Response(value)),
    async delete(key) {
      await cache.delete(address(key));
    },
    async keys(prefix) {
      const keys = (await cache.keys()).map(({ url }) =>
        url.slice(base.length).split('/').map(decodeURIComponent).join('/'),
      );
      return keys.filter((key) => key.startsWith(prefix));
    },
    ...(free && { free }),
  };
}
