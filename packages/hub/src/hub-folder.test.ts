/// <reference types="node" />
import { fileURLToPath } from 'node:url';
import { MissingFileError, openWeights, readJson } from '@emulsion/checkpoints';
import { EmulsionError } from '@emulsion/tensor';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  checksumOf,
  type Fault,
  type HubServer,
  modelFromFolder,
  modelOf,
  type ServedModel,
  startHubServer,
} from '../../../tooling/hub-server/src/start-hub-server.ts';
import { blobStorage } from './blob-storage.ts';
import {
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
} from './errors.ts';
import { type OpenHubFolderOptions, openHubFolder } from './hub-folder.ts';
import { memoryStorage, memoryStore } from './memory-storage.ts';
import type { DownloadEvent } from './progress.ts';
import type { HubStorage } from './storage.ts';

const repo = 'owner/name';
const model = await modelFromFolder(
  fileURLToPath(new URL('../../../fixtures/golden/open/models/sd1', import.meta.url)),
);
const commit = model.revisions.main!;
const unet = 'unet/diffusion_pytorch_model.safetensors';
const weights = model.files.get(unet)!;

let hub: HubServer;
let storage: HubStorage;
beforeEach(async () => {
  hub = await startHubServer({ [repo]: model });
  storage = memoryStorage();
});
afterEach(() => hub.close());

const open = (options: OpenHubFolderOptions = {}, name = repo) =>
  openHubFolder(name, { endpoint: hub.endpoint, storage, retryDelay: 1, ...options });
/** The addresses that were asked, without the hub's. */
const asked = () => hub.requests.map(({ path }) => path);

test('opening looks up the commit and the list of files, and downloads nothing', async () => {
  const folder = await open();
  expect(asked()).toEqual([
    '/api/models/owner/name/revision/main',
    `/api/models/owner/name/tree/${commit}?recursive=true`,
  ]);
  expect(folder).toMatchObject({ name: repo, repo, commit, notes: [] });
  expect(await folder.has('model_index.json')).toBe(true);
  expect(await folder.has('unet')).toBe(false);
  expect(await folder.subfolder('unet').has('config.json')).toBe(true);
  expect(await folder.subfolder('unet').has('model_index.json')).toBe(false);
  expect(await folder.size(unet)).toBe(weights.length);
  expect(hub.requests).toHaveLength(2);
});

test('what is read is downloaded, once, and what is not read is not', async () => {
  const folder = await open();
  expect(await readJson(folder, 'model_index.json')).toMatchObject({
    _class_name: 'StableDiffusionPipeline',
  });
  const tensors = await openWeights(folder.subfolder('unet'));
  expect(tensors.size).toBeGreaterThan(100);
  const [start] = await Promise.all([
    folder.read(unet, { offset: 0, length: 8 }),
    folder.read(unet),
    folder.locate(unet),
  ]);
  expect(start).toEqual(new Uint8Array(weights.subarray(0, 8)));
  const located = await folder.subfolder('unet').locate('diffusion_pytorch_model.safetensors');
  expect(located).toMatchObject({ kind: 'blob', name: `${repo}/${unet}` });
  expect(located.kind === 'blob' && (await located.blob.bytes())).toEqual(new Uint8Array(weights));
  const files = asked().filter((path) => path.includes('/resolve/'));
  // The weights twice: at the hub, and where it redirected to.
  expect(files).toEqual(
    ['model_index.json', unet, unet].map((path) => `/owner/name/resolve/${commit}/${path}`),
  );
});

test('what was downloaded once is not asked for again; only the commit is looked up', async () => {
  await (await open()).read(unet);
  const before = hub.requests.length;
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
  expect(asked().slice(before)).toEqual(['/api/models/owner/name/revision/main']);
  expect(await (await open({ revision: commit })).read(unet)).toEqual(new Uint8Array(weights));
  expect(hub.requests).toHaveLength(before + 1);
});

test('branches, tags and commits are revisions, and a new commit brings its changed files alone', async () => {
  await (await open()).read(unet);
  const next = 'f'.repeat(40);
  const files = new Map([...model.files, ['model_index.json', Buffer.from('{"changed": true}')]]);
  hub.models.set(repo, { files, revisions: { main: next, 'refs/pr/1': commit } });
  const sent = hub.sentOf(unet);
  const folder = await open();
  expect(folder.commit).toBe(next);
  expect(await readJson(folder, 'model_index.json')).toEqual({ changed: true });
  await folder.read(unet);
  expect(hub.sentOf(unet)).toBe(sent);
  const pull = await open({ revision: 'refs/pr/1' });
  expect(pull).toMatchObject({ commit, name: 'owner/name@refs/pr/1' });
  expect(asked()).toContain('/api/models/owner/name/revision/refs/pr/1');
});

test('a list of many files comes in pages, from a mirror too', async () => {
  hub.pageSize = 5;
  const folder = await open();
  expect(asked().filter((path) => path.includes('/tree/'))).toHaveLength(4);
  for (const path of model.files.keys()) expect(await folder.has(path)).toBe(true);
  // A mirror passes on the links of the hub that it mirrors.
  const elsewhere = (async (url: string, init?: RequestInit) => {
    const response = await fetch(url, init);
    const link = response.headers.get('link')?.replace(hub.endpoint, 'https://huggingface.invalid');
    return new Response(response.body, { headers: link ? { link } : {} });
  }) as typeof fetch;
  const mirrored = await open({ fetch: elsewhere, storage: memoryStorage() });
  for (const path of model.files.keys()) expect(await mirrored.has(path)).toBe(true);
});

test('the network may be gone when everything is there', async () => {
  await (await open()).read(unet);
  await hub.close();
  const folder = await open();
  expect(await folder.read(unet)).toEqual(new Uint8Array(weights));
  expect(folder.notes).toEqual([
    `owner/name: the copy in the cache is used. ${hub.endpoint} cannot be reached (ECONNREFUSED).`,
  ]);
  await expect(folder.read('model_index.json')).rejects.toThrow(
    `${hub.endpoint} cannot be reached (ECONNREFUSED), and the cache does not have what is wanted. Check the connection, and the address if it was given (HF_ENDPOINT).`,
  );
  await expect(open({ storage: memoryStorage() })).rejects.toSatisfy(
    (error) => HubUnreachableError.is(error) && error.reason === 'ECONNREFUSED',
  );
});

test('a model that was taken down is still used, a revision that is gone is not', async () => {
  await (await open()).read(unet);
  hub.models.delete(repo);
  const folder = await open();
  expect(await folder.read(unet)).toEqual(new Uint8Array(weights));
  expect(folder.notes[0]).toMatch(
    /^owner\/name: the copy in the cache is used\. owner\/name: http.* has no such/,
  );
  hub.models.set(repo, { ...model, revisions: {} });
  await expect(open()).rejects.toSatisfy((error) => RevisionNotFoundError.is(error));
});

test('localFilesOnly asks nobody', async () => {
  await expect(open({ localFilesOnly: true })).rejects.toThrow(
    'owner/name: its revision "main" is not in the cache (memory), and nothing may be downloaded. Load it once while online, without localFilesOnly.',
  );
  await (await open()).read('model_index.json');
  const before = hub.requests.length;
  const folder = await open({ localFilesOnly: true });
  expect(await readJson(folder, 'model_index.json')).toBeTypeOf('object');
  expect(await folder.has(unet)).toBe(true);
  await expect(folder.read(unet)).rejects.toSatisfy(
    (error) => NotCachedError.is(error) && error.repo === repo && error.path === unet,
  );
  await expect(folder.subfolder('unet').locate('config.json')).rejects.toThrow(
    'owner/name: its file "unet/config.json" (main) is not in the cache (memory), and nothing may be downloaded.',
  );
  await expect(open({ localFilesOnly: true, revision: 'f'.repeat(40) })).rejects.toSatisfy((error) =>
    NotCachedError.is(error),
  );
  expect(hub.requests).toHaveLength(before);
});

test('without the list, which other programs may not keep, the files in the cache are the folder', async () => {
  const store = memoryStore();
  storage = blobStorage(store);
  await (await open()).read('model_index.json');
  await store.delete(`models--owner--name/trees/${commit}.json`);
  const folder = await open({ localFilesOnly: true });
  expect(folder.name).toBe('owner/name (its files in the cache)');
  expect([await folder.has('model_index.json'), await folder.has(unet)]).toEqual([true, false]);
  expect(await folder.size('model_index.json')).toBe(model.files.get('model_index.json')?.length);
  await expect(folder.read(unet)).rejects.toSatisfy((error) => NotCachedError.is(error));
  await hub.close();
  const unreached = await open({ maxRetries: 0 });
  expect(unreached.notes[1]).toBe(
    `owner/name: only the files in the cache are known. ${hub.endpoint} cannot be reached (ECONNREFUSED).`,
  );
  expect(await readJson(unreached, 'model_index.json')).toBeTypeOf('object');
});

test('a file that the model does not have is missing, and no path leads out', async () => {
  const folder = await open();
  await expect(folder.read('none')).rejects.toThrow('owner/name: there is no file "none". Check the path.');
  await expect(folder.subfolder('vae').locate('none')).rejects.toSatisfy((error) =>
    MissingFileError.is(error),
  );
  await expect(folder.has('../x')).rejects.toThrow('"../x" is not a path inside this folder');
  expect(() => folder.subfolder('..')).toThrow('".." is not a path inside this folder');
});

// The network at its worst.

const fault = (when: (path: string, earlier: number, inStorage: boolean) => Fault | undefined) => {
  hub.fault = ({ path, earlier, storage: inStorage }) => when(path, earlier, inStorage);
};

test('a connection that breaks is taken up again where it broke', async () => {
  fault((_, earlier, inStorage) => (inStorage && earlier < 3 ? { breakAfter: 100_000 } : undefined));
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
  const ranges = hub.requests.filter(({ storage }) => storage).map(({ range }) => range);
  expect(ranges).toEqual([undefined, 'bytes=100000-', 'bytes=200000-', 'bytes=300000-']);
  expect(hub.sentOf(unet)).toBe(weights.length);
});

test('patience begins anew with every byte that is new', async () => {
  fault((_, __, inStorage) => (inStorage ? { breakAfter: 100_000 } : undefined));
  expect(await (await open({ maxRetries: 1 })).read(unet)).toEqual(new Uint8Array(weights));
});

test('a download that brings nothing any more ends, and the next one goes on', async () => {
  fault((_, earlier, inStorage) => (inStorage ? { breakAfter: earlier === 0 ? 100_000 : 0 } : undefined));
  const error = await (await open({ maxRetries: 2 })).read(unet).catch((error: unknown) => error);
  expect(error).toSatisfy(DownloadInterruptedError.is.bind(DownloadInterruptedError));
  expect(error).toMatchObject({ repo, path: unet, loaded: 100_000, total: weights.length });
  expect(String(error)).toMatch(
    /owner\/name\/unet\/.*: the download broke off at 100000 of 829512 bytes \(.+\)\. Start again; it goes on from where it was\.$/,
  );
  expect(hub.requests.filter(({ storage }) => storage)).toHaveLength(1 + 2);
  hub.fault = () => undefined;
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
  expect(hub.requests.at(-1)?.range).toBe('bytes=100000-');
  expect(hub.sentOf(unet)).toBe(weights.length);
});

test('a connection on which nothing comes any more counts as broken', async () => {
  fault((_, earlier, inStorage) => (inStorage && earlier === 0 ? { stallAfter: 100_000 } : undefined));
  expect(await (await open({ stallTimeout: 200 })).read(unet)).toEqual(new Uint8Array(weights));
  expect(hub.requests.at(-1)?.range).toBe('bytes=100000-');
  fault((path) => ({ silent: path.includes('/revision/') }));
  await expect(open({ stallTimeout: 50, maxRetries: 1, storage: memoryStorage() })).rejects.toThrow(
    `${hub.endpoint} cannot be reached (no answer for 50 ms), and the cache does not have what is wanted.`,
  );
  expect(hub.requests.filter(({ path }) => path.includes('/revision/'))).toHaveLength(1 + 2);
});

test('a server that ignores ranges sends everything again', async () => {
  fault((_, earlier, inStorage) =>
    inStorage ? { ignoreRange: true, ...(earlier === 0 && { breakAfter: 100_000 }) } : undefined,
  );
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
  expect(hub.sentOf(unet)).toBe(weights.length + 100_000);
});

test('a server that ignores ranges and breaks every time is given up', async () => {
  fault((_, __, inStorage) => (inStorage ? { ignoreRange: true, breakAfter: 100_000 } : undefined));
  await expect((await open({ maxRetries: 2 })).read(unet)).rejects.toThrow(
    /broke off at 100000 of 829512 bytes \(.+\)\. The server ignores ranges, so that every try begins anew: use a better connection or another server\.$/,
  );
});

test('a file that changes while it is downloaded is begun anew', async () => {
  const other = Buffer.alloc(weights.length, 1);
  fault((_, earlier, inStorage) => {
    if (!inStorage) return undefined;
    return earlier === 0
      ? { content: other, headers: { etag: '"old"' }, breakAfter: 100_000 }
      : { headers: { etag: '"new"' } };
  });
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
  const ranges = hub.requests.filter(({ storage }) => storage).map(({ range }) => range);
  expect(ranges).toEqual([undefined, 'bytes=100000-', undefined]);
});

test.each([
  ['SHA-256', unet],
  ['git SHA-1', 'vae/config.json'],
])('wrong bytes are not kept: %s', async (algorithm, path) => {
  const right = model.files.get(path)!;
  const wrong = Buffer.from(right);
  wrong[wrong.length >> 1]! ^= 1;
  fault((asked) => (asked.endsWith(path) ? { content: wrong } : undefined));
  const folder = await open();
  const error = await folder.read(path).catch((error: unknown) => error);
  expect(error).toSatisfy(ChecksumError.is.bind(ChecksumError));
  expect(error).toMatchObject({
    expected: checksumOf(path, right),
    actual: checksumOf(path, wrong),
    message: `owner/name/${path}: what was downloaded is damaged: its ${algorithm} is ${checksumOf(path, wrong)}, not ${checksumOf(path, right)}. It was removed; try again.`,
  });
  hub.fault = () => undefined;
  expect(await folder.read(path)).toEqual(new Uint8Array(right));
  expect(hub.requests.at(-1)?.range).toBeUndefined();
});

test('a server that says another length than it lists is refused before anything is received', async () => {
  fault((_, __, inStorage) => (inStorage ? { content: weights.subarray(1) } : undefined));
  await expect((await open()).read(unet)).rejects.toThrow(
    /^http.*\.safetensors: it announces 829511 bytes, its list of files says 829512\. Check that this is a model hub and that no proxy stands before it, then try again\.$/,
  );
  fault((_, __, inStorage) => (inStorage ? { content: Buffer.from('<html>Log in</html>') } : undefined));
  await expect((await open()).read(unet)).rejects.toSatisfy(
    (error) => HubResponseError.is(error) && error.problem.startsWith('it announces 19 bytes'),
  );
});

test('a server that sends more or less than it lists, without saying so, is found out', async () => {
  fault((_, __, inStorage) =>
    inStorage ? { content: Buffer.concat([weights, Buffer.from('!')]), chunked: true } : undefined,
  );
  await expect((await open()).read(unet)).rejects.toThrow(
    'it sends more than the 829512 bytes that its list of files says',
  );
  fault((_, __, inStorage) =>
    inStorage ? { content: weights.subarray(0, 829_000), chunked: true } : undefined,
  );
  await expect((await open({ storage: memoryStorage() })).read(unet)).rejects.toThrow(
    'it has less than the 829512 bytes that its list of files says',
  );
});

test('a server that announces more than it sends is asked for the rest', async () => {
  fault((_, earlier, inStorage) =>
    inStorage && earlier === 0 ? { announce: weights.length, breakAfter: 5000 } : undefined,
  );
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
});

test('a hub that has another file than it lists says so with its first answer', async () => {
  const path = 'vae/config.json';
  fault((asked) => (asked.endsWith(path) ? { headers: { etag: `"${'a'.repeat(40)}"` } } : undefined));
  await expect((await open()).read(path)).rejects.toThrow(
    `it has another file (${'a'.repeat(40)}) than its list says (${checksumOf(path, model.files.get(path)!)})`,
  );
});

test('a file that comes compressed is the file', async () => {
  fault((path) => (path.endsWith('vocab.json') ? { gzip: true } : undefined));
  const vocabulary = model.files.get('tokenizer/vocab.json')!;
  expect(await (await open()).read('tokenizer/vocab.json')).toEqual(new Uint8Array(vocabulary));
});

test.each([429, 500, 502, 503, 408])('%i passes', async (status) => {
  fault((_, earlier) => (earlier < 2 ? { status } : undefined));
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
});

test('a server that stays busy is given up', async () => {
  fault(() => ({ status: 503 }));
  await expect(open({ maxRetries: 2 })).rejects.toThrow(
    `${hub.endpoint} is out of order (it answered 503), also after several tries. Try again later.`,
  );
  expect(hub.requests).toHaveLength(3);
  fault(() => ({ status: 429, headers: { ratelimit: '"api";r=0;t=300' } }));
  const error = await open().catch((error: unknown) => error);
  expect(error).toSatisfy(HubBusyError.is.bind(HubBusyError));
  expect(error).toMatchObject({
    retryAfter: 300,
    message: `${hub.endpoint} refuses more requests for now (429), also after several tries. Try again in 300 seconds, or with a token.`,
  });
});

test('who is asked to wait a second waits a second', async () => {
  fault((_, earlier) => (earlier === 0 ? { status: 429, headers: { 'retry-after': '1' } } : undefined));
  const start = performance.now();
  await open({ revision: commit });
  expect(performance.now() - start).toBeGreaterThan(990);
});

// Who may have what.

const served = (rights: Partial<ServedModel>) => hub.models.set(repo, { ...model, ...rights });

test('a model that is not there, and one that is hidden, are one error', async () => {
  await expect(open({}, 'owner/none')).rejects.toThrow(
    `owner/none: ${hub.endpoint} has no such model, or it is private. Check the spelling; for a private one give a token (HF_TOKEN).`,
  );
  served({ private: ['mine'] });
  await expect(open()).rejects.toSatisfy((error) => RepositoryNotFoundError.is(error) && error.repo === repo);
  await expect(open({ token: 'guest' })).rejects.toThrow(
    `owner/name: ${hub.endpoint} has no such model, or the token does not give access to it. Check the spelling, and the rights of the token.`,
  );
  await expect(open({ token: 'wrong' })).rejects.toSatisfy(
    (error) =>
      InvalidTokenError.is(error) &&
      error.message ===
        `${hub.endpoint} refuses the token: it is wrong, or no longer valid. Make another on ${hub.endpoint}/settings/tokens, or leave it out for public models.`,
  );
  expect((await open({ token: 'mine' })).commit).toBe(commit);
});

test('a gated model says where access is asked for', async () => {
  served({ gated: ['mine'] });
  await expect((await open()).read(unet)).rejects.toThrow(
    `owner/name: this model is gated. Ask for access on ${hub.endpoint}/owner/name, then give a token of that account (HF_TOKEN; ${hub.endpoint}/settings/tokens).`,
  );
  await expect((await open({ token: 'guest' })).read(unet)).rejects.toThrow(
    `owner/name: this model is gated, and the account of the token has no access yet. Ask for it on ${hub.endpoint}/owner/name, or give the token of an account that has it.`,
  );
  await expect((await open()).read(unet)).rejects.toSatisfy((error) => GatedRepositoryError.is(error));
  expect(await (await open({ token: 'mine' })).read(unet)).toEqual(new Uint8Array(weights));
});

test('the token goes to the hub, and not to where that redirects to', async () => {
  served({ gated: ['mine'] });
  await (await open({ token: 'mine' })).read(unet);
  const given = hub.requests.map(({ storage, authorization }) => [storage, authorization]);
  expect(given).toEqual([
    [false, 'Bearer mine'],
    [false, 'Bearer mine'],
    [false, 'Bearer mine'],
    [true, undefined],
  ]);
});

test('a revision that is not there is named', async () => {
  const expected = (revision: string) =>
    `owner/name: it has no revision "${revision}". Give a branch, a tag or a commit that it has; "main" is the usual one.`;
  await expect(open({ revision: 'v2' })).rejects.toThrow(expected('v2'));
  await expect(open({ revision: 'f'.repeat(40) })).rejects.toThrow(expected('f'.repeat(40)));
});

test('refusals of servers that say nothing but their status are understood', async () => {
  const refused = async (status: number, options = {}) => {
    fault(() => ({ status }));
    return open(options).catch((error: unknown) => (EmulsionError.is(error) ? error.name : error));
  };
  expect(await refused(401)).toBe('RepositoryNotFoundError');
  expect(await refused(401, { token: 'x' })).toBe('InvalidTokenError');
  expect(await refused(403)).toBe('GatedRepositoryError');
  expect(await refused(404)).toBe('RepositoryNotFoundError');
  expect(await refused(404, { revision: 'v2' })).toBe('RevisionNotFoundError');
  expect(await refused(418)).toBe('HubResponseError');
  hub.fault = () => undefined;
  const folder = await open();
  fault(() => ({ status: 404 }));
  await expect(folder.read(unet)).rejects.toThrow(
    `owner/name: there is no file "${unet}". The hub lists it all the same.`,
  );
  const headers = { 'x-error-message': 'Access to this resource is disabled.' };
  fault(() => ({ status: 403, headers }));
  await expect(folder.read(unet)).rejects.toThrow('it answered 403 (Access to this resource is disabled.)');
});

test.each([
  ['/revision/', '<html>', 'its answer is not JSON'],
  ['/revision/', '{"sha": "../../x"}', 'its answer names no commit'],
  ['/tree/', '{}', 'its list of files is not a list'],
  [
    '/tree/',
    '[{"type": "file", "path": "a"}]',
    'its list of files has an entry that is none: {"type":"file"',
  ],
  [
    '/tree/',
    `[{"type": "file", "path": "../a", "size": 1, "oid": "${'a'.repeat(40)}"}]`,
    'its list of files has a path that is none: "../a"',
  ],
  ['/tree/', '[{"type": "file", "path": "a", "size": 1, "oid": "../a"}]', 'has an entry that is none'],
])('an answer of %s that makes no sense (%s) is refused', async (route, answer, message) => {
  fault((path) => (path.includes(route) ? { status: 200, content: Buffer.from(answer) } : undefined));
  await expect(open()).rejects.toThrow(message);
});

test('a list without end is refused', async () => {
  fault((path) =>
    path.includes('/tree/')
      ? { status: 200, content: Buffer.from('[]'), headers: { link: '<?cursor=1>; rel="next"' } }
      : undefined,
  );
  await expect(open()).rejects.toThrow('its list of files has no end');
});

test('a remembered list that is damaged is fetched again', async () => {
  await open();
  for (const json of [
    '',
    '{',
    '{"format_version": 2, "files": {}}',
    '{"format_version": 1, "files": {"a": 1}}',
  ]) {
    await storage.writeFileList(repo, commit, json);
    expect(await (await open()).has(unet)).toBe(true);
  }
});

test.each([
  ['name', /^"name" is not the name of a model on a hub\. Give its owner and name, as in "owner\/name"\.$/],
  ['a/b/c', /is not the name of a model/],
  ['a/..', /is not the name of a model/],
  ['a/b--c', /is not the name of a model/],
  ['./b', /is not the name of a model/],
  ['a/b.git', /is not the name of a model/],
  ['a/b c', /is not the name of a model/],
])('%s is no name', async (name, message) => {
  await expect(open({}, name)).rejects.toThrow(message);
  expect(hub.requests).toEqual([]);
});

test('an endpoint or a revision that is none is refused', async () => {
  await expect(open({ endpoint: 'huggingface.co' })).rejects.toThrow(
    'The endpoint "huggingface.co" is not a web address. Give one such as "https://huggingface.co".',
  );
  await expect(open({ revision: '../main' })).rejects.toThrow(
    'owner/name: "../main" is not the name of a revision. Give a branch, a tag or a commit.',
  );
  expect((await open({ endpoint: `${hub.endpoint}/` })).commit).toBe(commit);
});

// What the caller sees and does.

test('progress counts bytes and files, from the first to the last', async () => {
  const events: DownloadEvent[] = [];
  const folder = await open({ onProgress: (event) => events.push(event) });
  await folder.read('vae/config.json');
  fault((_, __, inStorage) => (inStorage ? { slowness: 20 } : undefined));
  await folder.read(unet);
  await folder.read(unet);
  const size = model.files.get('vae/config.json')!.length;
  const total = weights.length;
  expect(events[0]).toEqual({
    repo,
    file: 'vae/config.json',
    loaded: 0,
    total: size,
    filesLoaded: 0,
    filesTotal: 1,
    bytesLoaded: 0,
    bytesTotal: size,
  });
  expect(events[1]).toMatchObject({
    file: 'vae/config.json',
    loaded: size,
    filesLoaded: 1,
    bytesLoaded: size,
  });
  expect(events[2]).toMatchObject({ file: unet, loaded: 0, total, filesLoaded: 1, filesTotal: 2 });
  const loaded = events.slice(2).map((event) => event.loaded);
  expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  // Not for every piece: about ten times a second.
  expect(loaded.length).toBeGreaterThan(4);
  expect(loaded.length).toBeLessThan(30);
  expect(events.at(-1)).toEqual({
    repo,
    file: unet,
    loaded: total,
    total,
    filesLoaded: 2,
    filesTotal: 2,
    bytesLoaded: total + size,
    bytesTotal: total + size,
  });
});

test('progress of a download that goes on begins where that does', async () => {
  fault((_, earlier, inStorage) => (inStorage && earlier === 0 ? { breakAfter: 100_000 } : undefined));
  await expect((await open({ maxRetries: 0 })).read(unet)).rejects.toThrow('broke off at 100000');
  const events: DownloadEvent[] = [];
  await (await open({ onProgress: (event) => events.push(event) })).read(unet);
  expect(events[0]).toMatchObject({ loaded: 100_000, filesLoaded: 0, bytesLoaded: 100_000 });
});

test('an abort rejects with its reason, keeps what is there, and the next goes on', async () => {
  fault((_, earlier, inStorage) => (inStorage && earlier === 0 ? { slowness: 20 } : undefined));
  const controller = new AbortController();
  const reason = new Error('enough');
  const folder = await open({
    signal: controller.signal,
    onProgress: ({ loaded }) => loaded > 0 && controller.abort(reason),
  });
  await expect(folder.read(unet)).rejects.toBe(reason);
  await expect(folder.read('vae/config.json')).rejects.toBe(reason);
  await expect(open({ signal: controller.signal })).rejects.toBe(reason);
  expect(await (await open()).read(unet)).toEqual(new Uint8Array(weights));
  expect(hub.requests.at(-1)?.range).toMatch(/^bytes=\d+-$/);
});

test('an abort ends the pause before a repetition', async () => {
  fault(() => ({ status: 503, headers: { 'retry-after': '60' } }));
  const controller = new AbortController();
  const opening = open({ signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 50);
  await expect(opening).rejects.toThrow('enough');
});

test('folders that want the same file at once download it once', async () => {
  fault((_, __, inStorage) => (inStorage ? { slowness: 5 } : undefined));
  const folders = await Promise.all([open(), open(), open()]);
  const all = await Promise.all(folders.map((folder) => folder.read(unet)));
  for (const bytes of all) expect(bytes).toEqual(new Uint8Array(weights));
  expect(hub.sentOf(unet)).toBe(weights.length);
});

test('a file of no bytes is a file', async () => {
  hub.models.set('owner/empty', modelOf(new Map([['empty', Buffer.alloc(0)]])));
  expect(await (await open({}, 'owner/empty')).read('empty')).toEqual(new Uint8Array());
});
