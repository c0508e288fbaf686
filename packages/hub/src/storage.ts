// Where downloads are kept: the contract that a cache fulfils, on a disk, in a browser or in memory.
import type { Folder } from '@emulsion/checkpoints';
import type { CreateHash } from './checksum.ts';

/** A blob that is wanted: its name (the checksum under which the hub lists it), and how large it is. */
export interface BlobRequest {
  readonly blob: string;
  readonly size: number;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then while somebody else downloads the blob, with the bytes that are there. */
  readonly onWait?: ((loaded: number) => void) | undefined;
}

/**
 * A blob that is being downloaded. One writer at a time has it, until `complete`, `discard` or `release`; `release`
 * after one of the others does nothing.
 */
export interface PartialBlob {
  /** Bytes that are there. */
  readonly loaded: number;
  /** What is there, from the beginning; for the checksum of what an earlier download left. */
  read(): AsyncIterable<Uint8Array>;
  /** Adds bytes at the end. @throws {StorageFullError} @throws {StorageError} */
  append(bytes: Uint8Array): Promise<void>;
  /** Begins again with nothing. */
  restart(): Promise<void>;
  /** Makes it a blob: whoever looks sees all of it or nothing. @throws {StorageError} @throws {StorageFullError} */
  complete(): Promise<void>;
  /** Removes it. */
  discard(): Promise<void>;
  /** Keeps what is there for a later download. */
  release(): Promise<void>;
}

/**
 * A cache of repositories, shared with whoever else uses the same place at the same time. The layout is the Hugging
 * Face cache's: blobs under their checksums, snapshots of commits that point at them, and references from revisions to
 * commits.
 */
export interface HubStorage {
  /** What messages call it, for instance its path. */
  readonly name: string;
  /** A hash that is faster than JavaScript's, where the platform has one. */
  readonly createHash?: CreateHash | undefined;

  /** The commit that a branch or tag stood for when it was last looked up. */
  readRef(repo: string, revision: string): Promise<string | undefined>;
  /** @throws {StorageError} @throws {StorageFullError} */
  writeRef(repo: string, revision: string, commit: string): Promise<void>;

  /** The remembered list of a commit's files, which is JSON. */
  readFileList(repo: string, commit: string): Promise<string | undefined>;
  /** @throws {StorageError} @throws {StorageFullError} */
  writeFileList(repo: string, commit: string, json: string): Promise<void>;

  /** The files of a commit that are here, as a folder that messages call `name`. */
  snapshot(repo: string, commit: string, name: string): Folder;
  /** The paths of the files of a commit that are here. */
  listSnapshot(repo: string, commit: string): Promise<readonly string[]>;
  /** Makes a blob that is here the file `path` of a commit. @throws {StorageError} @throws {StorageFullError} */
  link(repo: string, commit: string, path: string, blob: string): Promise<void>;

  /**
   * Begins a download, or goes on with one that was left. Waits while somebody else is at it.
   * @returns undefined if the blob is here already
   * @throws {StorageError} @throws {StorageFullError} also if it is clear beforehand that there is no room
   */
  openBlob(repo: string, request: BlobRequest): Promise<PartialBlob | undefined>;

  /** The repositories of which something is here. */
  listRepos(): Promise<readonly string[]>;
  /** Removes a repository with all of its revisions. @returns the bytes that this freed */
  remove(repo: string): Promise<number>;
}
