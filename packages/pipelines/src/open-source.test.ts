/// <reference types="node" />
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatedRepositoryError, memoryStorage, RepositoryNotFoundError } from '@emulsion/hub';
import type { Device } from '@emulsion/runtime';
import { createDevice } from '@emulsion/runtime-node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import {
  type HubServer,
  modelFromFolder,
  type ServedModel,
  startHubServer,
} from '../../../tooling/hub-server/src/start-hub-server.ts';
import { SourceNotFoundError } from './errors.ts';
import { type LoadEvent, type LoadPipelineOptions, loadPipeline } from './load-pipeline.ts';

const path = fileURLToPath(new URL('../../../fixtures/golden/open/models/sd1', import.meta.url));
const repo = 'owner/name';
const unet = 'unet/diffusion_pytorch_model.safetensors';
const halfOf = (path: string) => path.replace('.safetensors', '.fp16.safetensors');
const request = { prompt: 'a cat', numInferenceSteps: 2, seed: 0, width: 64, height: 64 };

let device: Device;
let model: ServedModel;
beforeAll(async () => {
  device = await createDevice('cpu');
  model = await modelFromFolder(path);
});
afterAll(() => device.dispose());

let hub: HubServer;
let cache: string;
beforeEach(async () => {
  // Beside copies in half precision, which are not asked for, and a file that nobody reads.
  const weights = [...model.files].filter(([name]) => name.endsWith('.safetensors'));
  const half = weights.map(([name, bytes]) => [halfOf(name), bytes] as const);
  hub = await startHubServer({
    [repo]: { ...model, files: new Map([...model.files, ...half, ['README.md', Buffer.from('#')]]) },
  });
  cache = await realpath(await mkdtemp(join(tmpdir(), 'open-source-')));
  vi.stubEnv('HF_HUB_CACHE', cache);
  vi.stubEnv('HF_HOME', cache);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  for (const name of ['HF_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])
    vi.stubEnv(name, '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(cache, { recursive: true });
});
const load = (source: string, options: LoadPipelineOptions = {}) =>
  loadPipeline(source, { device, ...options });

/** The pixels of a model's picture. */
async function paint(source: string, options: LoadPipelineOptions = {}) {
  const pipeline = await load(source, options);
  const { pixels } = await pipeline(request);
  await pipeline.dispose();
  return { pixels, notes: pipeline.notes };
}

test('a model from a hub paints what it paints from a folder, and from the cache when the hub is gone', async () => {
  const expected = await paint(path);
  expect(await paint(repo)).toEqual(expected);
  // What was not needed was not downloaded.
  const files = new Set(hub.requests.map(({ path }) => path.split('/resolve/')[1]?.split(/\/(.*)/)[1]));
  expect(files).toContain(unet);
  expect(files).not.toContain('README.md');
  expect(files).not.toContain(halfOf(unet));
  await hub.close();
  const { pixels, notes } = await paint(repo);
  expect(pixels).toEqual(expected.pixels);
  expect(notes.at(0)).toBe(
    `owner/name: the copy in the cache is used. ${hub.endpoint} cannot be reached (ECONNREFUSED).`,
  );
  const offline = await paint(repo, { localFilesOnly: true });
  expect(offline).toEqual(expected);
});

test('of several copies of the weights the one that is asked for is downloaded', async () => {
  await (await load(repo, { dtype: 'float16' })).dispose();
  const files = hub.requests.map(({ path }) => path).filter((path) => path.endsWith('.safetensors'));
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((path) => !path.endsWith('.fp16.safetensors'))).toEqual([]);
});

test('a download that breaks off goes on: what is there is not fetched again', async () => {
  hub.fault = ({ storage, path }) => (storage && path.endsWith(unet) ? { breakAfter: 500_000 } : undefined);
  expect((await paint(repo)).pixels).toEqual((await paint(path)).pixels);
  expect(hub.sentOf(unet)).toBe(model.files.get(unet)!.length);
});

test('a download that was stopped goes on with the next load', async () => {
  hub.fault = ({ storage, earlier }) => (storage && earlier === 0 ? { slowness: 5 } : undefined);
  const controller = new AbortController();
  const reason = new Error('enough');
  const loading = load(repo, {
    signal: controller.signal,
    onProgress: ({ download }) =>
      download?.file === unet && download.loaded > 100_000 && controller.abort(reason),
  });
  await expect(loading).rejects.toBe(reason);
  expect((await paint(repo)).pixels).toEqual((await paint(path)).pixels);
  const offset = /^bytes=(\d+)-$/.exec(hub.requests.at(-1)?.range ?? '')?.[1];
  expect(Number(offset)).toBeGreaterThan(100_000);
});

test('progress tells of parts and of downloads', async () => {
  const events: LoadEvent[] = [];
  await (await load(repo, { onProgress: (event) => events.push(event) })).dispose();
  const downloads = events.flatMap(({ download }) => download ?? []);
  expect(downloads.at(0)).toMatchObject({ repo, file: 'model_index.json', loaded: 0 });
  expect(downloads.at(-1)).toMatchObject({ file: unet, loaded: model.files.get(unet)!.length });
  expect(events.find(({ download }) => download?.file === unet)).toMatchObject({
    component: unet,
    loaded: downloads.find(({ file }) => file === unet)?.bytesLoaded,
    total: downloads.find(({ file }) => file === unet)?.bytesTotal,
  });
  const parts = events
    .filter(({ download }) => !download)
    .map(({ component, loaded }) => [component, loaded]);
  expect(parts).toEqual([
    ['text_encoder', 0],
    ['vae', 1],
    ['unet', 2],
    ['unet', 3],
  ]);
});

test('options go before the environment', async () => {
  vi.stubEnv('HF_ENDPOINT', 'http://nowhere.invalid');
  hub.models.set(repo, { ...model, gated: ['mine'] });
  const options = { endpoint: hub.endpoint, storage: memoryStorage() };
  await expect(load(repo, options)).rejects.toSatisfy((error) => GatedRepositoryError.is(error));
  const commit = model.revisions.main!;
  await (await load(repo, { ...options, token: 'mine', revision: commit })).dispose();
});

test('what is neither a folder nor a model says both', async () => {
  await expect(load('./models/sd1')).rejects.toThrow(
    './models/sd1: there is no such folder, nor is it the name of a model on a hub, as "owner/name" is. Check the path.',
  );
  const error = await load('models/sd1').catch((error: unknown) => error);
  expect(error).toSatisfy(SourceNotFoundError.is.bind(SourceNotFoundError));
  expect(error).toMatchObject({
    source: 'models/sd1',
    message: `There is no folder "models/sd1" here. As a model on a hub: models/sd1: ${hub.endpoint} has no such model, or it is private. Check the spelling; for a private one give a token (HF_TOKEN).`,
  });
  expect((error as Error).cause).toSatisfy(RepositoryNotFoundError.is.bind(RepositoryNotFoundError));
  await expect(load('models/sd1', { localFilesOnly: true })).rejects.toThrow(
    'There is no folder "models/sd1" here. As a model on a hub: models/sd1: its revision "main" is not in the cache',
  );
  await hub.close();
  await expect(load('models/sd1')).rejects.toThrow(
    'There is no folder "models/sd1" here. As a model on a hub: http',
  );
});

test('a folder has no revisions', async () => {
  await expect(load(path, { revision: 'v1' })).rejects.toThrow(
    `revision is "v1", but "${path}" is a folder, which has no revisions. Leave it out.`,
  );
});
