/// <reference types="node" />
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Device } from '@emulsion/runtime';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { ldmFile } from '../../../tooling/golden/src/ldm-file.ts';
import { controlNetFile, originalFile } from '../../../tooling/golden/src/original-file.ts';
import {
  type HubServer,
  modelFromFolder,
  startHubServer,
} from '../../../tooling/hub-server/src/start-hub-server.ts';
import { type LoadPipelineOptions, loadPipeline, type Pipeline } from './load-pipeline.ts';

const fixtures = fileURLToPath(new URL('../../../fixtures/golden', import.meta.url));
const path = (name: string) => join(fixtures, 'open/models', name);
const families = ['sd1', 'sd2', 'sdxl'] as const;
const request = { prompt: 'a cat', numInferenceSteps: 2, seed: 0, width: 64, height: 64 };

let device: Device;
let hub: HubServer;
let downloads: string;
beforeAll(async () => {
  device = await createDevice('cpu');
  downloads = await mkdtemp(join(tmpdir(), 'emulsion-single-file-'));
  for (const family of families) {
    await writeFile(
      join(downloads, `${family}.safetensors`),
      await ldmFile(await openFolder(path(family)), family),
    );
  }
  // A tokenizer of the models here, whose vocabulary is cut.
  hub = await startHubServer({
    'openai/clip-vit-large-patch14': await modelFromFolder(join(path('sd1'), 'tokenizer')),
  });
});
afterAll(async () => {
  await device.dispose();
  await hub.close();
  await rm(downloads, { recursive: true });
});
beforeEach(() => {
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HUB_CACHE', join(downloads, 'cache'));
});

async function paint(source: string, options: LoadPipelineOptions = {}, more: object = {}) {
  const pipeline = await loadPipeline(source, { device, ...options });
  const { pixels } = await pipeline({ ...request, ...more });
  await pipeline.dispose();
  return pixels;
}

test.each(families)('%s paints from its single file what it paints from its folder', async (name) => {
  const expected = await paint(path(name));
  const actual = await paint(join(downloads, `${name}.safetensors`), { config: path(name) });
  expect(actual).toEqual(expected);
});

test.each(['sd3', 'flux'] as const)(
  '%s paints from its single file what it paints from its folder',
  async (name) => {
    const file = join(downloads, `${name}.safetensors`);
    const [whole, alone] = [
      await originalFile(await openFolder(path(name)), name),
      await originalFile(await openFolder(path(name)), name, ['transformer']),
    ];
    const expected = await paint(path(name), {}, { maxSequenceLength: 12 });
    for (const bytes of [whole, alone]) {
      await writeFile(file, bytes);
      expect(await paint(file, { config: path(name) }, { maxSequenceLength: 12 })).toEqual(expected);
    }
  },
);

test('a ControlNet in a single file leads as its folder does', async () => {
  const folder = await openFolder(path('controlnet'));
  const files = await mkdtemp(join(downloads, 'controlnet-'));
  await writeFile(join(files, 'control.safetensors'), await controlNetFile(folder));
  await writeFile(join(files, 'config.json'), await folder.read('config.json'));
  const controlImage = {
    width: 64,
    height: 64,
    channels: 3 as const,
    data: new Uint8Array(64 * 64 * 3).fill(200),
  };
  const paintWith = (controlNet: string) =>
    paint(path('sd1'), { controlNets: [controlNet] }, { controlImage });
  expect(await paintWith(join(files, 'control.safetensors'))).toEqual(await paintWith(path('controlnet')));
});

test.each(['sd1', 'sdxl'])(
  'ready-made graphs of %s paint the same picture, but for the last digits',
  async (name) => {
    const [expected, actual] = [
      await paint(path(name)),
      await paint(join(fixtures, `open/onnx/${name}-onnx`)),
    ];
    expect(actual.dims).toEqual(expected.dims);
    const worst = actual.data.reduce(
      (max, value, i) => Math.max(max, Math.abs(value - expected.data[i]!)),
      0,
    );
    expect(worst).toBeLessThan(1e-3);
  },
);

test('without a configuration the tokenizer comes from the hub, and its absence is said', async () => {
  const file = join(downloads, 'sd1.safetensors');
  const [single, folder] = [
    await loadPipeline(file, { device }),
    await loadPipeline(path('sd1'), { device }),
  ];
  const tokensOf = ({ promptEncoder }: Pipeline) =>
    'tokenizer' in promptEncoder && promptEncoder.tokenizer.encodePadded('a cat');
  expect(tokensOf(folder)).toHaveLength(77);
  expect(tokensOf(single)).toEqual(tokensOf(folder));
  for (const pipeline of [single, folder]) await pipeline.dispose();
  expect(hub.requests.map((asked) => asked.path.split('/').at(-1))).toContain('vocab.json');
  vi.stubEnv('HF_HUB_CACHE', join(downloads, 'empty-cache'));
  await expect(loadPipeline(file, { device, localFilesOnly: true })).rejects.toThrow(
    `${file}: a model in a single file has no tokenizer, and CLIP's is not to be had. Give a model in diffusers layout to take it from (config), or the network.`,
  );
});

test('a file that is not there says so', async () => {
  await expect(loadPipeline('./none.safetensors', { device })).rejects.toThrow(
    './none.safetensors: there is no such file, nor is it one of a model on a hub, as "owner/name/model.safetensors" is. Check the path.',
  );
});

test('a model in a single file on a hub is named behind its repository', async () => {
  hub.models.set('owner/merged', await modelFromFolder(downloads));
  const actual = await paint('owner/merged/sd1.safetensors', { config: path('sd1') });
  expect(actual).toEqual(await paint(path('sd1')));
});
