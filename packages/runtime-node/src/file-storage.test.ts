import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openHubFolder, StorageError, StorageFullError } from '@emulsion/hub';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  checksumOf,
  type HubServer,
  modelOf,
  startHubServer,
} from '../../../tooling/hub-server/src/start-hub-server.ts';
import { describeStorage } from '../../../tooling/hub-server/src/storage-suite.ts';
import { fileStorage } from './file-storage.ts';

const repo = 'owner/name';
const config = Buffer.from('{"a": 1}');
const weights = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251));
const path = 'unet/weights.safetensors';
const model = modelOf(
  new Map([
    ['config.json', config],
    [path, weights],
  ]),
);
const commit = model.revisions.main!;
const blob = checksumOf(path, weights);

let root: string;
let hub: HubServer;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'file-storage-')));
  hub = await startHubServer({ [repo]: model });
});
afterEach(async () => {
  await hub.close();
  await rm(root, { recursive: true });
});
const at = (...parts: string[]) => join(root, 'models--owner--name', ...parts);
const open = (options = {}) =>
  openHubFolder(repo, { endpoint: hub.endpoint, storage: fileStorage(root), retryDelay: 1, ...options });

for (const symlinks of [true, false]) {
  describeStorage(`files, ${symlinks ? 'with' : 'without'} symbolic links`, async () => {
    const folder = join(root, `suite-${symlinks}`);
    return [fileStorage(folder, { symlinks }), fileStorage(folder, { symlinks })];
  });
}

test('the layout is that of the Hugging Face cache', async () => {
  const folder = await open();
  await folder.read('config.json');
  expect(await folder.locate(path)).toEqual({ kind: 'path', path: at('blobs', blob) });
  expect((await readdir(root)).sort()).toEqual(['CACHEDIR.TAG', 'models--owner--name']);
  expect((await readdir(at())).sort()).toEqual(['blobs', 'refs', 'snapshots', 'trees']);
  expect(await readFile(at('refs', 'main'), 'utf8')).toBe(commit);
  expect((await readdir(at('blobs'))).sort()).toEqual([blob, checksumOf('config.json', config)].sort());
  expect(await readlink(at('snapshots', commit, path))).toBe(`../../../blobs/${blob}`);
  expect(await readlink(at('snapshots', commit, 'config.json'))).toBe(
    `../../blobs/${checksumOf('config.json', config)}`,
  );
  expect(JSON.parse(await readFile(at('trees', `${commit}.json`), 'utf8'))).toMatchObject({
    format_version: 1,
    files: { [path]: { size: weights.length, lfs_sha256: blob, lfs_size: weights.length } },
  });
});

test('a model that another library downloaded is used in place, and offline', async () => {
  await mkdir(at('refs'), { recursive: true });
  await mkdir(at('blobs'));
  await mkdir(at('snapshots', commit, 'unet'), { recursive: true });
  await writeFile(at('refs', 'main'), commit);
  await writeFile(at('blobs', blob), weights);
  await symlink(`../../../blobs/${blob}`, at('snapshots', commit, path));
  await symlink('../../blobs/gone', at('snapshots', commit, 'config.json'));
  const offline = await open({ localFilesOnly: true });
  expect(await offline.has(path)).toBe(true);
  expect(await offline.has('config.json')).toBe(false);
  expect(await offline.locate(path)).toEqual({ kind: 'path', path: at('blobs', blob) });
  const online = await open();
  await online.read(path);
  expect(await online.read('config.json')).toEqual(new Uint8Array(config));
  expect(hub.sentOf(path)).toBe(0);
});

test('without symbolic links a snapshot holds the files themselves', async () => {
  const folder = await open({ storage: fileStorage(root, { symlinks: false }) });
  expect(await folder.locate(path)).toEqual({ kind: 'path', path: at('snapshots', commit, path) });
  expect((await lstat(at('snapshots', commit, path))).isFile()).toBe(true);
  // As a library without links leaves it: the file alone.
  await rm(at('blobs'), { recursive: true });
  expect((await (await open({ localFilesOnly: true })).read(path)).length).toBe(weights.length);
});

test('a file that was cut short is downloaded again', async () => {
  await (await open()).read(path);
  await truncate(at('blobs', blob), 1000);
  expect(await (await open()).read(path)).toEqual(new Uint8Array(weights));
});

/** Begins a download that stops half way. @returns the bytes that are there */
async function interrupted(): Promise<number> {
  hub.fault = ({ storage }) => (storage ? { breakAfter: 100_000 } : undefined);
  await expect((await open({ maxRetries: 0 })).read(path)).rejects.toThrow('the download broke off at');
  hub.fault = () => undefined;
  return (await stat(at('blobs', `${blob}.incomplete`))).size;
}

test('a download goes on where an earlier one stopped: what is there is not fetched again', async () => {
  const there = await interrupted();
  expect(there).toBe(100_000);
  expect(await (await open()).read(path)).toEqual(new Uint8Array(weights));
  expect(hub.requests.at(-1)?.range).toBe('bytes=100000-');
  expect(hub.sentOf(path)).toBe(weights.length);
  expect((await readdir(at('blobs'))).sort()).toEqual([blob]);
});

test('what an earlier download left damaged is found out, and loaded anew', async () => {
  await interrupted();
  const left = await readFile(at('blobs', `${blob}.incomplete`));
  left[50_000]! ^= 1;
  await writeFile(at('blobs', `${blob}.incomplete`), left);
  await utimes(at('blobs', `${blob}.incomplete`), 0, 0);
  expect(await (await open()).read(path)).toEqual(new Uint8Array(weights));
});

test('a disk without room is found out before the download, where it can be', async () => {
  const storage = fileStorage(root);
  await expect(storage.openBlob(repo, { blob, size: 2 ** 60 })).rejects.toSatisfy(
    (error) => StorageFullError.is(error) && error.needed === 2 ** 60 && Number(error.free) > 0,
  );
});

test.runIf(process.platform === 'linux')('a disk that fills up in the middle says so', async () => {
  await mkdir(at('blobs'), { recursive: true });
  await symlink('/dev/full', at('blobs', `${blob}.incomplete`));
  await expect((await open()).read(path)).rejects.toThrow(
    `The cache of models (${root}) has no room for 0.3 MB more: it is full. Free some, or put the cache somewhere else.`,
  );
});

test('a cache that cannot be written to is an error for a download, and a note for a list', async () => {
  await writeFile(join(root, 'models--owner--name'), 'a file where the folder should be');
  const folder = await open();
  expect(folder.notes).toEqual([
    `The cache of models (${root}) cannot be written to (ENOTDIR). Check its permissions, or choose another place with HF_HOME.`,
  ]);
  await expect(folder.read(path)).rejects.toSatisfy((error) => StorageError.is(error));
});

/** A process that downloads the weights, and prints their size. */
function download(): ReturnType<typeof spawn> {
  const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const program = `
    import { openHubFolder } from ${url('../../hub/src/index.ts')};
    import { fileStorage } from ${url('./file-storage.ts')};
    const [endpoint, root] = process.argv.slice(1);
    const folder = await openHubFolder('${repo}', { endpoint, storage: fileStorage(root) });
    process.stdout.write(String((await folder.read('${path}')).length));`;
  const flags = [
    '--conditions=emulsion:source',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
  ];
  return spawn(process.execPath, [...flags, '--eval', program, '--', hub.endpoint, root]);
}

async function outputOf(child: ReturnType<typeof spawn>): Promise<string> {
  let output = '';
  child.stdout?.on('data', (text) => {
    output += text;
  });
  child.stderr?.on('data', (text) => {
    output += text;
  });
  await once(child, 'close');
  return output;
}

test('processes that want the same file at once download it once', async () => {
  hub.fault = ({ storage }) => (storage ? { slowness: 50 } : undefined);
  const outputs = await Promise.all([1, 2, 3].map(() => outputOf(download())));
  expect(outputs).toEqual(Array(3).fill(`${weights.length}`));
  expect(hub.sentOf(path)).toBe(weights.length);
  expect(await readFile(at('snapshots', commit, path))).toEqual(weights);
  expect(await readdir(at('blobs'))).toEqual([blob]);
});

test('what a process leaves that was killed is gone on with', async () => {
  hub.fault = ({ storage, earlier }) => (storage && earlier === 0 ? { slowness: 50 } : undefined);
  const child = download();
  const end = once(child, 'close');
  const part = at('blobs', `${blob}.incomplete`);
  const size = () =>
    stat(part).then(
      (found) => found.size,
      () => 0,
    );
  await expect.poll(size, { timeout: 30_000 }).toBeGreaterThan(50_000);
  child.kill('SIGKILL');
  await end;
  const there = await size();
  // Ten seconds and more ago.
  await utimes(part, new Date(), new Date(Date.now() - 11_000));
  expect(await (await open()).read(path)).toEqual(new Uint8Array(weights));
  expect(hub.requests.at(-1)?.range).toBe(`bytes=${there}-`);
});

test('a download that was taken over while its process slept does no harm', async () => {
  const storage = fileStorage(root);
  const asleep = (await storage.openBlob(repo, { blob, size: 6 }))!;
  await asleep.append(Uint8Array.of(1, 2, 3));
  await utimes(at('blobs', `${blob}.incomplete`), 0, 0);
  const other = (await storage.openBlob(repo, { blob, size: 6 }))!;
  expect(other.loaded).toBe(3);
  await asleep.append(Uint8Array.of(4));
  await other.append(Uint8Array.of(4, 5, 6));
  await other.complete();
  await asleep.append(Uint8Array.of(5, 6));
  await asleep.complete();
  expect([...(await readFile(at('blobs', blob)))]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await readdir(at('blobs'))).toEqual([blob]);
});

test('a download that was begun anew by another process is not put in place half done', async () => {
  const storage = fileStorage(root);
  const asleep = (await storage.openBlob(repo, { blob, size: 3 }))!;
  await utimes(at('blobs', `${blob}.incomplete`), 0, 0);
  const other = (await storage.openBlob(repo, { blob, size: 3 }))!;
  await other.restart();
  await other.append(Uint8Array.of(1));
  await asleep.append(Uint8Array.of(1, 2, 3));
  await expect(asleep.complete()).rejects.toThrow(
    'cannot be written to (another process replaced the file of a download). Try again when that has ended.',
  );
  expect(await readdir(at('blobs'))).toEqual([`${blob}.incomplete`]);
  await other.append(Uint8Array.of(2, 3));
  await other.complete();
  expect([...(await readFile(at('blobs', blob)))]).toEqual([1, 2, 3]);
});
