/// <reference types="node" />
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type HubServer, modelOf, startHubServer } from '../../../tooling/hub-server/src/start-hub-server.ts';
import { blobStorage } from './blob-storage.ts';
import { clearCache, isCached, listCached, listFiles } from './cached-files.ts';
import { openHubFolder } from './hub-folder.ts';
import { memoryStore } from './memory-storage.ts';

const repo = 'owner/name';
const model = modelOf(
  new Map([
    ['unet/w.safetensors', Buffer.alloc(1000, 7)],
    ['a.json', Buffer.from('{}')],
  ]),
);
const commit = model.revisions.main!;

let hub: HubServer;
let store: ReturnType<typeof memoryStore>;
let options: { endpoint: string; storage: ReturnType<typeof blobStorage> };
beforeEach(async () => {
  hub = await startHubServer({ [repo]: model });
  store = memoryStore();
  options = { endpoint: hub.endpoint, storage: blobStorage(store) };
});
afterEach(() => hub.close());

test('the files of a model are listed in order, with what is here of them', async () => {
  await (await openHubFolder(repo, options)).read('a.json');
  const files = [
    { path: 'a.json', size: 2, cached: true },
    { path: 'unet/w.safetensors', size: 1000, cached: false },
  ];
  expect(await listFiles(repo, options)).toEqual(files);
  await hub.close();
  expect(await listFiles(repo, { ...options, localFilesOnly: true })).toEqual(files);
  await store.delete(`models--owner--name/trees/${commit}.json`);
  expect(await listFiles(repo, { ...options, localFilesOnly: true })).toEqual(files.slice(0, 1));
});

test('whether files are in the cache is known without a network', async () => {
  expect(await isCached(repo, [], options)).toBe(false);
  const folder = await openHubFolder(repo, options);
  expect(await isCached(repo, [], options)).toBe(false);
  await folder.read('a.json');
  await hub.close();
  expect(await isCached(repo, [], options)).toBe(true);
  expect(await isCached(repo, ['a.json'], options)).toBe(true);
  expect(await isCached(repo, ['a.json'], { ...options, revision: commit })).toBe(true);
  expect(await isCached(repo, ['a.json'], { ...options, revision: 'v2' })).toBe(false);
  expect(await isCached(repo, ['a.json', 'unet/w.safetensors'], options)).toBe(false);
  await expect(isCached('name', [], options)).rejects.toThrow('"name" is not the name of a model on a hub');
});

test('a model is removed from the cache, and downloaded again when it is wanted', async () => {
  await (await openHubFolder(repo, options)).read('unet/w.safetensors');
  expect(await listCached(options)).toEqual([repo]);
  expect(await clearCache(repo, options)).toBeGreaterThanOrEqual(1000);
  expect(await listCached(options)).toEqual([]);
  expect(await isCached(repo, [], options)).toBe(false);
  await (await openHubFolder(repo, options)).read('unet/w.safetensors');
  expect(hub.sentOf('unet/w.safetensors')).toBe(2000);
  await expect(clearCache('..', options)).rejects.toThrow('".." is not the name of a model on a hub');
});

test('without a storage, and none of a browser, it is said where there is one', async () => {
  await expect(listCached()).rejects.toThrow(
    'In Node, give a storage: `hubEnvironment` of @emulsion/runtime-node has one.',
  );
});
