// The cache of models on a disk, laid out as Hugging Face's own libraries do, which use the same one: what one of them
// downloaded the others find. https://huggingface.co/docs/huggingface_hub/guides/manage-cache
import { createHash, randomUUID } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { UnreadableFileError } from '@emulsion/checkpoints';
import {
  type HubStorage,
  type PartialBlob,
  repoFolderName,
  repoOfFolderName,
  StorageError,
  StorageFullError,
} from '@emulsion/hub';
import { errorCode, folderAt } from './open-folder.ts';

export interface FileStorageOptions {
  /** Whether snapshots may point at blobs with symbolic links; where they may not or cannot, the files are there twice. */
  readonly symlinks?: boolean | undefined;
}

/** A download whose file nobody has touched for as long is taken over, in milliseconds. */
const staleAfter = 10_000;
/** How often who downloads shows that it lives, and how often the others look, in milliseconds. */
const heartbeat = 2_000;
const lookInterval = 200;
/** How much of a file is read at once for its checksum. */
const readSize = 2 ** 20;

/**
 * The cache in the folder `path`, which is made when something comes into it. Any number of processes can use it at
 * once, Python's too: blobs and references appear whole, by renaming, and a blob that is being downloaded
 * (`.incomplete`) belongs to one process until that has finished, or has not been heard of for ten seconds.
 */
export function fileStorage(path: string, { symlinks = true }: FileStorageOptions = {}): HubStorage {
  const root = resolve(path);
  const storage = { name: root };
  const repoPath = (repo: string) => join(root, repoFolderName(repo));
  const refPath = (repo: string, revision: string) => join(repoPath(repo), 'refs', revision);
  const listPath = (repo: string, commit: string) => join(repoPath(repo), 'trees', `${commit}.json`);
  const snapshotPath = (repo: string, commit: string) => join(repoPath(repo), 'snapshots', commit);
  const blobPath = (repo: string, blob: string) => join(repoPath(repo), 'blobs', blob);

  /** Does something that writes, and says of a failure what it means for the cache. */
  const writing = async <T>(action: Promise<T>, needed = 0): Promise<T> => {
    try {
      return await action;
    } catch (cause) {
      const code = errorCode(cause);
      if (code === 'ENOSPC' || code === 'EDQUOT')
        throw new StorageFullError(storage, needed, undefined, { cause });
      if (code === undefined) throw cause;
      const advice = 'Check its permissions, or choose another place with HF_HOME.';
      throw new StorageError(storage, code, advice, { cause });
    }
  };
  const readText = async (file: string) => {
    try {
      return (await readFile(file, 'utf8')).trim();
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw new UnreadableFileError(storage, relative(root, file), errorCode(cause) ?? 'unknown', { cause });
    }
  };
  const writeText = (file: string, text: string) =>
    writing(
      replace(file, (part) => writeFile(part, text)),
      text.length,
    );

  return {
    name: root,
    createHash: (algorithm) => createHash(algorithm),
    readRef: (repo, revision) => readText(refPath(repo, revision)),
    writeRef: (repo, revision, commit) => writeText(refPath(repo, revision), commit),
    readFileList: (repo, commit) => readText(listPath(repo, commit)),
    writeFileList: (repo, commit, json) => writeText(listPath(repo, commit), json),
    snapshot: (repo, commit, name) => folderAt(snapshotPath(repo, commit), name),
    async listSnapshot(repo, commit) {
      const snapshot = snapshotPath(repo, commit);
      const paths: string[] = [];
      for (const { parentPath, name } of await entriesOf(snapshot, { recursive: true })) {
        const path = join(parentPath, name);
        // Links are followed; one whose blob was removed is not a file.
        const isFile = await stat(path).then(
          (found) => found.isFile(),
          () => false,
        );
        if (isFile) paths.push(relative(snapshot, path).split(sep).join('/'));
      }
      return paths;
    },
    link: (repo, commit, file, blob) =>
      writing(point(join(snapshotPath(repo, commit), ...file.split('/')), blobPath(repo, blob), symlinks)),
    async openBlob(repo, { blob, size, signal, onWait }) {
      const target = blobPath(repo, blob);
      const part = `${target}.incomplete`;
      await writing(makeCacheFolder(root, dirname(target)));
      for (;;) {
        signal?.throwIfAborted();
        if ((await sizeOf(target)) === size) return undefined;
        const file = await writing(claim(part));
        if (file) return begin(file, part, target, size);
        onWait?.((await sizeOf(part)) ?? 0);
        await delay(lookInterval, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
      }
    },
    async listRepos() {
      const entries = await entriesOf(root);
      return entries.flatMap(({ name }) => repoOfFolderName(name) ?? []).sort();
    },
    async remove(repo) {
      const folder = repoPath(repo);
      const files = (await entriesOf(folder, { recursive: true })).filter((entry) => entry.isFile());
      /** Bytes by the file that they are: one that has several names is there once. */
      const sizes = new Map<bigint, bigint>();
      for (const { parentPath, name } of files) {
        const found = await stat(join(parentPath, name), { bigint: true }).catch(() => undefined);
        if (found) sizes.set(found.ino, found.size);
      }
      await writing(rm(folder, { recursive: true, force: true }));
      await writing(rm(join(root, '.locks', repoFolderName(repo)), { recursive: true, force: true }));
      return Number([...sizes.values()].reduce((sum, size) => sum + size, 0n));
    },
  };

  /** Goes on with the file of a download, which is this process's now. */
  async function begin(first: FileHandle, part: string, target: string, size: number): Promise<PartialBlob> {
    let file = first;
    let loaded = (await file.stat()).size;
    let open = true;
    const end = (action: () => Promise<void>) => async () => {
      if (!open) return;
      open = false;
      clearInterval(alive);
      await action();
    };
    const touch = () => file.utimes(new Date(), new Date());
    const alive = setInterval(() => void touch().catch(() => {}), heartbeat); // a next write tells what is wrong
    alive.unref();
    const blob: PartialBlob = {
      get loaded() {
        return loaded;
      },
      async *read() {
        for (let offset = 0; offset < loaded; ) {
          const { bytesRead, buffer } = await file.read(new Uint8Array(readSize), 0, readSize, offset);
          if (bytesRead === 0) return;
          yield buffer.subarray(0, bytesRead);
          offset += bytesRead;
        }
      },
      async append(bytes) {
        for (let done = 0; done < bytes.length; ) {
          // At their place and not at the end: should two processes ever write here, they write the same.
          const { bytesWritten } = await writing(
            file.write(bytes, done, bytes.length - done, loaded),
            size - loaded,
          );
          done += bytesWritten;
          loaded += bytesWritten;
        }
      },
      async restart() {
        await file.close();
        // Another file, not a shorter one, for the same reason.
        file = await writing(replace(part, (path) => writeFile(path, '')).then(() => openFile(part)));
        loaded = 0;
      },
      complete: end(async () => {
        let mine: BigIntStats;
        try {
          await writing(file.sync());
          mine = await file.stat({ bigint: true });
        } finally {
          await file.close();
        }
        await writing(publish(part, target, mine.ino, size));
      }),
      discard: end(async () => {
        await file.close();
        await writing(rm(part, { force: true }));
      }),
      release: end(async () => {
        // Free for whoever comes next, at once.
        await file.utimes(0, 0).catch(() => {});
        await file.close();
      }),
    };
    try {
      await assertRoom(dirname(target), size - loaded);
    } catch (error) {
      await blob.release();
      throw error;
    }
    return blob;
  }

  /** Refuses to begin what cannot end. */
  async function assertRoom(folder: string, needed: number): Promise<void> {
    const disk = await statfs(folder).catch(() => undefined); // not every file system tells
    const free = disk && disk.bavail * disk.bsize;
    if (free !== undefined && needed > free) throw new StorageFullError(storage, needed, free);
  }

  /** Gives the finished file its place. */
  async function publish(part: string, target: string, mine: bigint, size: number): Promise<void> {
    const found = await stat(part, { bigint: true }).catch(() => undefined);
    if (found?.ino === mine && found.size === BigInt(size)) {
      try {
        return await rename(part, target);
      } catch (error) {
        // Windows does not replace what is open; it is the same blob.
        if ((await sizeOf(target)) !== size) throw error;
        return rm(part, { force: true });
      }
    }
    // Another process took the download over while this one slept, and has finished it or is at it.
    if ((await sizeOf(target)) === size) return;
    throw new StorageError(
      storage,
      'another process replaced the file of a download',
      'Try again when that has ended.',
    );
  }
}

const openFile = (path: string): Promise<FileHandle> => open(path, 'r+');

/** Takes the file of a download: a new one, or one that nobody is at. @returns undefined if somebody is */
async function claim(part: string): Promise<FileHandle | undefined> {
  try {
    return await open(part, 'wx+');
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  const mine = `${part}.${randomUUID()}`;
  try {
    if (Date.now() - (await stat(part)).mtimeMs < staleAfter) return undefined;
    // Who renames it first has it.
    await rename(part, mine);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const file = await openFile(mine);
  try {
    await file.utimes(new Date(), new Date());
    await link(mine, part);
    await rm(mine);
  } catch (error) {
    // Not every file system has hard links. A process that began anew in this moment loses nothing but its beginning.
    if (errorCode(error) !== 'EEXIST') return rename(mine, part).then(() => file);
    await file.close();
    await rm(mine);
    return undefined;
  }
  return file;
}

/** Makes a folder of the cache, and marks the cache as one, so that backups leave it out: https://bford.info/cachedir */
async function makeCacheFolder(root: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tag = 'Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of models.\n';
  await writeFile(join(root, 'CACHEDIR.TAG'), tag, { flag: 'wx' }).catch(() => {}); // it is there, or it is no matter
}

/** Makes a file beside its place, then puts it there, so that nobody sees half of it. */
async function replace(path: string, make: (part: string) => Promise<unknown>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${randomUUID()}.tmp`;
  try {
    await make(part);
    await rename(part, path);
  } finally {
    // Also after renaming: that does nothing where both are names of the same file.
    await rm(part, { force: true });
  }
}

/** Makes `pointer` the same file as `blob`: a relative symbolic link, else a hard link, else a copy. */
function point(pointer: string, blob: string, symlinks: boolean): Promise<void> {
  return replace(pointer, async (part) => {
    if (symlinks) {
      try {
        return await symlink(relative(dirname(pointer), blob), part);
      } catch (error) {
        if (!['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP'].includes(errorCode(error) ?? '')) throw error;
      }
    }
    await link(blob, part).catch(() => copyFile(blob, part));
  });
}

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

/** What a folder holds: nothing, if it is not there. */
async function entriesOf(folder: string, { recursive = false } = {}) {
  try {
    return await readdir(folder, { withFileTypes: true, recursive });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
