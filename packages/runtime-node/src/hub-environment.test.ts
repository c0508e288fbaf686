import { mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hubEnvironment } from './hub-environment.ts';

let home: string;
beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'hub-environment-')));
});
afterAll(() => rm(home, { recursive: true }));

test.each<[Record<string, string>, string]>([
  [{}, join(homedir(), '.cache', 'huggingface', 'hub')],
  [{ XDG_CACHE_HOME: '/x' }, join('/x', 'huggingface', 'hub')],
  [{ HF_HOME: '/h', XDG_CACHE_HOME: '/x' }, join('/h', 'hub')],
  [{ HF_HOME: '~/h' }, join(homedir(), 'h', 'hub')],
  [{ HF_HUB_CACHE: '/c', HF_HOME: '/h' }, '/c'],
  [{ HF_HUB_CACHE: '', HF_HOME: '/h' }, join('/h', 'hub')],
  [{ HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's
  [{ HF_HUB_CACHE: '$DISK/${USER}/hub/$NONE', DISK: '/d', USER: 'u' }, '/d/u/hub/$NONE'],
])('with %o the cache is %s', async (environment, path) => {
  // A token of whoever runs this is none of the test's business.
  const { storage } = await hubEnvironment({ HF_TOKEN: 'x', ...environment });
  expect(storage?.name).toBe(path);
});

test('the token is the one of the environment, or else the one that was stored', async () => {
  const token = async (environment: Record<string, string>) =>
    (await hubEnvironment({ HF_HOME: home, ...environment })).token;
  expect(await token({})).toBeUndefined();
  await writeFile(join(home, 'token'), 'stored\n');
  expect(await token({})).toBe('stored');
  expect(await token({ HF_TOKEN: '' })).toBe('stored');
  expect(await token({ HF_TOKEN: ' given ' })).toBe('given');
  expect(await token({ HUGGING_FACE_HUB_TOKEN: 'old' })).toBe('old');
  expect(await token({ HF_TOKEN_PATH: join(home, 'none') })).toBeUndefined();
});

test('the hub and being offline are taken from the environment', async () => {
  const none = await hubEnvironment({ HF_HOME: home });
  expect([none.endpoint, none.localFilesOnly]).toEqual([undefined, false]);
  const given = await hubEnvironment({ HF_HOME: home, HF_ENDPOINT: 'http://mirror', HF_HUB_OFFLINE: '1' });
  expect([given.endpoint, given.localFilesOnly]).toEqual(['http://mirror', true]);
  expect((await hubEnvironment({ HF_HOME: home, HF_HUB_OFFLINE: '0' })).localFilesOnly).toBe(false);
  expect((await hubEnvironment({ HF_HOME: home, TRANSFORMERS_OFFLINE: 'yes' })).localFilesOnly).toBe(true);
});

test('symbolic links can be turned off', async () => {
  const { storage } = await hubEnvironment({ HF_HOME: home, HF_HUB_DISABLE_SYMLINKS: '1' });
  const part = await storage?.openBlob('a/b', { blob: 'b'.repeat(40), size: 0 });
  await part?.complete();
  await storage?.link('a/b', 'c'.repeat(40), 'file', 'b'.repeat(40));
  const [entry] = await readdir(join(home, 'hub', 'models--a--b', 'snapshots', 'c'.repeat(40)), {
    withFileTypes: true,
  });
  expect(entry?.isFile()).toBe(true);
});
