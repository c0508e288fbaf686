import { type Folder, readJson } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, tensor } from '@emulsion/tensor';
import { changedComponent, createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPipeline } from './load-pipeline.ts';

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

/** A model that sees a picture beside its latents out of one that does not; `weigh` gives what it makes of the picture. */
async function instructed(
  model: Folder,
  weigh: (dims: readonly number[]) => Tensor,
  options: Readonly<Record<string, unknown>> = {},
): Promise<Folder> {
  const unet = model.subfolder('unet');
  const weights = await readWeights(unet);
  const { data, dims } = weights['conv_in.weight']!;
  const [rows = 0, , height = 0, width = 0] = dims;
  const more = weigh([rows, 4, height, width]);
  const row = (x: Float32Array, i: number) => [
    ...x.slice((i * x.length) / rows, ((i + 1) * x.length) / rows),
  ];
  const both = Array.from({ length: rows }, (_, i) => [...row(data, i), ...row(more.data, i)]);
  weights['conv_in.weight'] = tensor(both.flat(), [rows, 8, height, width]);
  const changed = await changedComponent(unet, { in_channels: 8 }, weights);
  const index = (await readJson(model, 'model_index.json')) as { _class_name: string };
  const json = {
    ...index,
    ...options,
    _class_name: index._class_name.replace('Pipeline', 'InstructPix2PixPipeline'),
  };
  return {
    ...model,
    has: (path) => model.has(path),
    read: async (path, range) =>
      path === 'model_index.json' ? new TextEncoder().encode(JSON.stringify(json)) : model.read(path, range),
    subfolder: (path) => (path === 'unet' ? changed : model.subfolder(path)),
  };
}

const zero = (dims: readonly number[]) =>
  tensor(new Float32Array(dims.reduce((size, dim) => size * dim, 1)), dims);
const worst = (a: Tensor, b: Tensor) => {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);
};

test.each(['sd1', 'sdxl'])(
  'an instructed %s that makes nothing of the picture paints what the plain one does, and else follows it',
  async (name) => {
    const model = await openFixture(`golden/open/models/${name}`);
    const request = {
      prompt: 'a cat',
      negativePrompt: 'a dog',
      guidanceScale: 3,
      numInferenceSteps: 3,
      seed: 2,
    };
    const image = createRng({ kind: 'torch-cpu', seed: 1 }).uniform([1, 3, 64, 64]);
    const plain = await loadPipeline(model, { device });
    const { latents } = await plain({ ...request, width: 64, height: 64, scheduler: 'euler' });
    const blind = await loadPipeline(await instructed(model, zero), { device });
    const edited = await blind({ ...request, image, scheduler: 'euler' });
    expect(worst(edited.latents, latents)).toBeLessThan(1e-3);
    const random = (dims: readonly number[]) => createRng({ kind: 'torch-cpu', seed: 4 }).normal(dims);
    const seeing = await loadPipeline(await instructed(model, random), { device });
    const [little, much] = [
      await seeing({ ...request, image, imageGuidanceScale: 1, scheduler: 'euler' }),
      await seeing({ ...request, image, imageGuidanceScale: 3, scheduler: 'euler' }),
    ];
    expect(worst(little.latents, latents)).toBeGreaterThan(0.01);
    expect(worst(much.latents, little.latents)).toBeGreaterThan(0.01);
    const rescaled = { imageGuidanceScale: 1, guidanceRescale: 0.7, scheduler: 'euler' };
    const tamed = await seeing({ ...request, image, ...rescaled });
    expect(worst(tamed.latents, little.latents)).toBeGreaterThan(0.01);
    await expect(seeing({ prompt: 'a cat' })).rejects.toThrow(
      'image: this pipeline changes a picture. Give one.',
    );
    for (const pipeline of [plain, blind, seeing]) await pipeline.dispose();
  },
);

test("CosXL's network is shown what the autoencoder's factor has scaled", async () => {
  const model = await openFixture('golden/open/models/sdxl');
  const random = (dims: readonly number[]) => createRng({ kind: 'torch-cpu', seed: 4 }).normal(dims);
  const image = createRng({ kind: 'torch-cpu', seed: 1 }).uniform([1, 3, 64, 64]);
  const paint = async (weigh: (dims: readonly number[]) => Tensor, options: object) => {
    const pipeline = await loadPipeline(await instructed(model, weigh, { ...options }), { device });
    const { latents } = await pipeline({ prompt: 'a cat', image, numInferenceSteps: 2, seed: 2 });
    const { scalingFactor } = pipeline.vae.config;
    await pipeline.dispose();
    return { latents, scalingFactor };
  };
  const { latents, scalingFactor } = await paint(random, { is_cosxl_edit: true });
  const scaled = (dims: readonly number[]) => {
    const x = random(dims);
    return tensor(
      x.data.map((value) => scalingFactor * value),
      x.dims,
    );
  };
  expect(worst(latents, (await paint(scaled, {})).latents)).toBeLessThan(1e-3);
  expect(worst(latents, (await paint(random, {})).latents)).toBeGreaterThan(0.01);
});

test('scales and samplers that make no sense are refused', async () => {
  const model = await instructed(await openFixture('golden/open/models/sd1'), zero);
  const pipeline = await loadPipeline(model, { device });
  const request = { prompt: 'a cat', image: zero([1, 3, 64, 64]), numInferenceSteps: 1 };
  for (const imageGuidanceScale of [0.9, Number.NaN]) {
    await expect(pipeline({ ...request, imageGuidanceScale })).rejects.toThrow(
      `imageGuidanceScale is ${imageGuidanceScale}. Give a number from 1; 1.5 is a usual one.`,
    );
  }
  await expect(pipeline({ ...request, guidanceScale: Number.NaN })).rejects.toThrow('guidanceScale is NaN.');
  await expect(pipeline({ ...request, scheduler: 'euler_cfg_pp' })).rejects.toThrow(
    'scheduler: with InstructPix2Pix, whose guidance is of two kinds, there is no CFG++. Choose a sampler without it.',
  );
  await pipeline.dispose();
});
