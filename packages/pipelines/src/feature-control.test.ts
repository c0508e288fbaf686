import { type Folder, memoryFolder, openSafetensors, readJson, readTensor } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { loadT2iAdapter, type T2iAdapter } from '@emulsion/t2i-adapter';
import { cpuOps, createRng, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FeatureOptions, featureControl } from './feature-control.ts';
import { loadPipeline } from './load-pipeline.ts';

let device: Device;
let recorded: Folder;
let adapter: T2iAdapter;
beforeAll(async () => {
  device = await createTestDevice();
  recorded = await openFixture('image-adapters');
  adapter = await loadT2iAdapter(recorded.subfolder('t2i-adapter'), { device });
});
afterAll(() => device.dispose());

const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const picture = rng.uniform([1, 3, 64, 64]);
const painting = { pictures: 2, width: 64, height: 64, totalSteps: 5, ops: cpuOps };

function expectClose(actual: Tensor, expected: Tensor, tolerance = 1e-5): void {
  expect(actual.dims).toEqual(expected.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - expected.data[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}

test('several pictures are followed at once, each with its own scale', async () => {
  const one = featureControl([adapter], { adapterImage: picture }, painting);
  const both = featureControl(
    [adapter, adapter],
    { adapterImage: [picture, picture], adapterConditioningScale: [0.5, 0.25] },
    painting,
  );
  const [whole, sum] = [await one!.features(4), await both!.features(4)];
  for (const [i, feature] of sum.entries()) expectClose(feature, cpuOps.affine(whole[i]!, 0.75, 0));
});

test('one picture serves all samples, one for each has its rows, and each is read once', async () => {
  let readings = 0;
  const counted: T2iAdapter = {
    ...adapter,
    features: (x, options) => {
      readings++;
      return adapter.features(x, options);
    },
  };
  const shared = featureControl([counted], { adapterImage: picture }, painting);
  expect((await shared!.features(4)).map(({ dims }) => dims[0])).toEqual([1, 1]);
  const each = featureControl([counted], { adapterImage: rng.uniform([2, 3, 64, 64]) }, painting);
  const features = await each!.features(4);
  expect(features.map(({ dims }) => dims[0])).toEqual([4, 4]);
  expect(cpuOps.slice(features[0]!, 0, 2)).toEqual(cpuOps.slice(features[0]!, 2, 4));
  await each!.features(4);
  expect(readings).toBe(2);
});

test('pictures are followed in the first share of the steps, whichever the sampler begins with', () => {
  const control = featureControl(
    [adapter],
    { adapterImage: picture, adapterConditioningFactor: 0.5 },
    painting,
  );
  expect([7, 8, 9, 10, 11].map((step) => control!.isActive(step))).toEqual([true, true, false, false, false]);
});

test('what makes no sense is refused', () => {
  const refuse = (options: FeatureOptions, message: string, adapters = [adapter]) =>
    expect(() => featureControl(adapters, options, painting)).toThrow(message);
  refuse({}, 'adapterImage: 0 came, and this pipeline has 1 T2I-Adapters. Give one picture for each.');
  refuse({ adapterImage: picture }, 'adapterImage: 1 came, and this pipeline has 0 T2I-Adapters.', []);
  refuse(
    { adapterImage: picture, adapterConditioningScale: [1, 2] },
    'adapterConditioningScale is [1, 2]; one number for all of 1 T2I-Adapters is wanted, or one for each.',
  );
  refuse(
    { adapterImage: picture, adapterConditioningFactor: 2 },
    'adapterConditioningFactor is 2. Give a share from 0 to 1.',
  );
  refuse(
    { adapterImage: zeros([3, 3, 64, 64]) },
    'image: 3 pictures came for 2. Give one for all or one for each.',
  );
  expect(featureControl([], {}, painting)).toBeUndefined();
});

test('a pipeline is given T2I-Adapters, paints in the size of the picture, and is led by it', async () => {
  const model = await openFixture('golden/open/models/sd1');
  const without = await loadPipeline(model, { device });
  const request = { prompt: 'a cat', seed: 0, numInferenceSteps: 2 };
  const { latents } = await without({ ...request, width: 64, height: 32 });
  await without.dispose();
  const pipeline = await loadPipeline(model, { device, t2iAdapters: [recorded.subfolder('t2i-adapter')] });
  const wide = { ...request, adapterImage: rng.uniform([1, 3, 32, 64]) };
  const led = await pipeline(wide);
  expect(led.pixels.dims).toEqual([1, 3, 32, 64]);
  expect(led.latents).not.toEqual(latents);
  expect((await pipeline({ ...wide, adapterConditioningScale: 0 })).latents).toEqual(latents);
  expect((await pipeline({ ...wide, adapterConditioningFactor: 0 })).latents).toEqual(latents);
  await expect(pipeline(request)).rejects.toThrow('adapterImage: 0 came');
  await pipeline.dispose();
});

test('a T2I-Adapter gives what it gives in diffusers', async () => {
  const model = await openFixture('golden/open/models/sd1');
  const pipeline = await loadPipeline(model, { device, t2iAdapters: [recorded.subfolder('t2i-adapter')] });
  const inputs = await openSafetensors(recorded, 'expected.safetensors');
  const outputs = await openSafetensors(recorded, 'pipelines.safetensors');
  const bytes = await readTensor(recorded, inputs.get('t2i.full.picture')!);
  const { latents } = await pipeline({
    prompt: 'a photo of a cat',
    negativePrompt: 'blurry',
    numInferenceSteps: 3,
    guidanceScale: 5,
    seed: 7,
    adapterImage: cpuOps.affine(bytes, 1 / 255, 0),
    adapterConditioningScale: 0.8,
  });
  expectClose(latents, await readTensor(recorded, outputs.get('t2i')!), 1e-4);
  await pipeline.dispose();
});

test('a model brings T2I-Adapters itself; those for other models are refused when they are loaded', async () => {
  const model = await openFixture('golden/open/models/sd1');
  const index = (await readJson(model, 'model_index.json')) as Record<string, unknown>; // an object, as in every model
  const t2i = recorded.subfolder('t2i-adapter');
  const own = memoryFolder({
    'model_index.json': JSON.stringify({
      ...index,
      _class_name: 'StableDiffusionAdapterPipeline',
      adapter: ['diffusers', 'T2IAdapter'],
    }),
    'adapter/config.json': await t2i.read('config.json'),
    'adapter/diffusion_pytorch_model.safetensors': await t2i.read('diffusion_pytorch_model.safetensors'),
  });
  const merged: Folder = {
    ...model,
    has: async (path) => (await own.has(path)) || model.has(path),
    size: async (path) => ((await own.has(path)) ? own : model).size(path),
    read: async (path, range) => ((await own.has(path)) ? own : model).read(path, range),
    locate: async (path) => ((await own.has(path)) ? own : model).locate(path),
    subfolder: (path) => (path.startsWith('adapter') ? own : model).subfolder(path),
  };
  const pipeline = await loadPipeline(merged, { device });
  const painted = await pipeline({ prompt: 'a cat', seed: 0, numInferenceSteps: 1, adapterImage: picture });
  expect(painted.pixels.dims).toEqual([1, 3, 64, 64]);
  await pipeline.dispose();
  const other = recorded.subfolder('t2i-adapter-xl');
  await expect(loadPipeline(model, { device, t2iAdapters: [other] })).rejects.toThrow(
    't2i-adapter: its features have 8, 16 channels, and the blocks of this U-Net 16, 24. Use a T2I-Adapter that was trained for this model.',
  );
});
