import type { Folder } from '@emulsion/checkpoints';
import type { Device, Session } from '@emulsion/runtime';
import { createRng, zeros } from '@emulsion/tensor';
import { changedComponent, createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadPictureReader } from './adapters-load-pictures.ts';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let recorded: Folder;
let controlNet: Folder;
let pipeline: Pipeline;
beforeAll(async () => {
  device = await createTestDevice();
  recorded = await openFixture('image-adapters');
  controlNet = await openFixture('golden/open/models/controlnet');
  pipeline = await loadPipeline(await openFixture('golden/open/models/sd1'), { device });
});
afterAll(() => device.dispose());

const request = { prompt: 'a cat', seed: 0, numInferenceSteps: 1, width: 64, height: 64 };
const picture = createRng({ kind: 'torch-cpu', seed: 0 }).uniform([1, 3, 64, 64]);
const paint = async (pictures: object) => (await pipeline({ ...request, ...pictures })).latents;

test.each([
  ['controlnet', () => controlNet, 'controlImage', 'controlnetConditioningScale'],
  ['t2i-adapter', () => recorded.subfolder('t2i-adapter'), 'adapterImage', 'adapterConditioningScale'],
  [
    'ip-adapter',
    () => ({ folder: recorded, path: 'ip-adapter_sd1.safetensors' }),
    'ipAdapterImage',
    'ipAdapterScale',
  ],
])('a %s is added by its file, weighted and removed', async (kind, source, image, scale) => {
  const plain = await paint({});
  const added = await pipeline.adapters.add(source(), { name: 'reader', strength: 0.5 });
  expect(added).toMatchObject({ name: 'reader', kind, strength: 0.5, notes: [] });
  expect(added.report.unused).toEqual([]);
  expect(added.report.matched.length).toBeGreaterThan(10);
  const half = await paint({ [image]: picture });
  expect(half).not.toEqual(plain);
  pipeline.adapters.set('reader', 1);
  // Half as strong is as strong with half the scale.
  expect(await paint({ [image]: picture, [scale]: 0.5 })).toEqual(half);
  expect(await paint({ [image]: picture })).not.toEqual(half);
  await expect(paint({})).rejects.toThrow(`${image}: 0 came`);
  await pipeline.adapters.remove('reader');
  expect(await paint({})).toEqual(plain);
  await expect(paint({ [image]: picture })).rejects.toThrow(`${image}: 1 came`);
});

test('an adapter for another model, or none, is refused, and the pipeline is as it was', async () => {
  const { adapters } = pipeline;
  await expect(adapters.add(recorded.subfolder('t2i-adapter-xl'))).rejects.toThrow(
    't2i-adapter: its features have 8, 16 channels, and the blocks of this U-Net 16, 24.',
  );
  await expect(adapters.add({ folder: recorded, path: 'ip-adapter_sdxl.safetensors' })).rejects.toThrow(
    'Use an IP-Adapter that was trained for this model.',
  );
  await expect(adapters.add(await forWiderTexts(), { name: 'wider' })).rejects.toThrow(
    'controlnet: its texts have 48 channels, and those of this model 32 channels. Use a ControlNet that was trained for this model.',
  );
  await expect(adapters.add(recorded.subfolder('image_encoder'))).rejects.toThrow(
    'image_encoder is a folder, and "_class_name" in its config.json is undefined. Of folders ControlNetModel and T2IAdapter are adapters; of others give the path of the file.',
  );
  await expect(adapters.add(controlNet, { weights: { unet: 2 } })).rejects.toThrow(
    'adapters: "controlnet" has one strength for all of the model. Leave weights out.',
  );
  expect(adapters.list()).toEqual([]);
  await paint({});
});

test('what was loaded of a ControlNet for another model is freed', async () => {
  if (!('unet' in pipeline)) throw new Error('The model has a U-Net.');
  const { unet, vae } = pipeline;
  const folder = await forWiderTexts();
  const model = { unet, vae, folder, components: {}, options: { device }, keep: () => {} };
  const loading = vi.spyOn(device, 'createSession');
  await expect(loadPictureReader('controlnet', { folder }, model, { name: 'wider' })).rejects.toThrow(
    'Use a ControlNet that was trained for this model.',
  );
  const sessions = await Promise.all(loading.mock.results.map(({ value }) => value as Promise<Session>));
  loading.mockRestore();
  expect(sessions).toHaveLength(1);
  await expect(sessions[0]!.run({})).rejects.toThrow('controlnet was disposed.');
});

/** The ControlNet, as one for a model whose texts are wider. */
async function forWiderTexts(): Promise<Folder> {
  const weights = await readWeights(controlNet);
  for (const [name, { dims }] of Object.entries(weights))
    if (/attn2\.to_[kv]\.weight$/.test(name)) weights[name] = zeros([dims[0]!, 48]);
  return changedComponent(controlNet, { cross_attention_dim: 48 }, weights);
}

test('a model with a transformer reads no pictures', async () => {
  const transformer = await loadPipeline(await openFixture('golden/open/models/sd3'), { device });
  await expect(transformer.adapters.add(controlNet)).rejects.toThrow(
    'adapters: "controlnet" is one of kind controlnet, and this model reads no pictures. Models with a U-Net do.',
  );
  await transformer.dispose();
});
