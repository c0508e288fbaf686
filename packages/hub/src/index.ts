export { type BlobStorageOptions, type BlobStore, blobStorage } from './blob-storage.ts';
export { type BrowserStores, openBrowserStorage } from './browser-storage.ts';
export { cacheStore } from './cache-store.ts';
export {
  type CacheOptions,
  clearCache,
  type HubFile,
  isCached,
  listCached,
  listFiles,
} from './cached-files.ts';
export type { CreateHash, Hash } from './checksum.ts';
export {
  ChecksumError,
  DownloadInterruptedError,
  GatedRepositoryError,
  HubBusyError,
  HubResponseError,
  HubUnreachableError,
  InvalidTokenError,
  NotCachedError,
  RepositoryNotFoundError,
  RevisionNotFoundError,
  StorageError,
  StorageFullError,
} from './errors.ts';
export type { HubClientOptions } from './hub-client.ts';
export { type HubFolder, type HubOptions, type OpenHubFolderOptions, openHubFolder } from './hub-folder.ts';
export { memoryStorage } from './memory-storage.ts';
export { isRepoId, repoFolderName, repoOfFolderName } from './names.ts';
export { opfsStore } from './opfs-store.ts';
export type { DownloadEvent } from './progress.ts';
export type { BlobRequest, HubStorage, PartialBlob } from './storage.ts';
