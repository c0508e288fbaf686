// The cache of models of a page: its private files, or where there are none, the Cache API.
import { blobStorage } from './blob-storage.ts';
import { cacheStore } from './cache-store.ts';
import { StorageError } from './errors.ts';
import { opfsStore } from './opfs-store.ts';
import type { HubStorage } from './storage.ts';

/** What a browser has for keeping data; every part may be missing, in a private window or without https. */
export interface BrowserStores {
  readonly storage?: Pick<StorageManager, 'getDirectory' | 'estimate'> | undefined;
  readonly caches?: CacheStorage | undefined;
}

const platformStores = (): BrowserStores => ({
  storage: globalThis.navigator?.storage,
  caches: globalThis.caches,
});

/** The name of the directory, or of the cache. */
const place = 'emulsion-hub';

/**
 * Opens the cache of models that the browser keeps for this page's origin.
 * @param stores the browser's, unless given
 * @throws {StorageError} if there is nothing to keep data in
 */
export async function openBrowserStorage(stores: BrowserStores = platformStores()): Promise<HubStorage> {
  const { storage, caches } = stores;
  const free = async () => {
    const { quota, usage } = (await storage?.estimate?.()) ?? {};
    return quota === undefined || usage === undefined ? undefined : quota - usage;
  };
  const directory = await storage
    ?.getDirectory?.()
    .then((root) => root.getDirectoryHandle(place, { create: true }))
    // Private windows refuse it in ways of their own; the other kind of store may still be there.
    .catch(() => undefined);
  if (directory) return blobStorage(opfsStore(directory, free));
  const cache = await caches?.open(place).catch(() => undefined);
  if (cache) return blobStorage(cacheStore(cache, free));
  throw new StorageError(
    { name: 'of the browser' },
    'there is none',
    'Serve the page over https. In Node, give a storage: `hubEnvironment` of @emulsion/runtime-node has one.',
  );
}
