import { memoryFolder, openWeights, readJson, readTensor, writeSafetensors } from '@emulsion/checkpoints';
import { timestepFeatures, WeightScope } from '@emulsion/nn';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadUnet2d } from './load-unet-2d.ts';
import { unet2d } from './unet-2d.ts';
import { parseUnet2dConfig } from './unet-2d-config.ts';

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

/** The config and the weights of a recorded model. */
async function stored(model: string) {
  const folder = await openFixture(`golden/open/models/${model}`);
  const config = (await readJson(folder, 'config.json')) as Record<string, unknown>; // an object, as in every model
  const read = [...(await openWeights(folder)).values()].map(
    async (weight) => [weight.name, await readTensor(folder, weight)] as const,
  );
  return { config, weights: Object.fromEntries(await Promise.all(read)) as Record<string, Tensor> };
}

const load = (config: unknown, weights: Record<string, Tensor>) =>
  loadUnet2d(
    memoryFolder({
      'config.json': JSON.stringify(config),
      'diffusion_pytorch_model.safetensors': writeSafetensors(weights),
    }),
    { device },
  );

const sample = createRng({ kind: 'torch-cpu', seed: 0 }).normal([2, 3, 16, 16]);

function difference(a: Tensor, b: Tensor): number {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b.data[i]!)), 0);
}

test('all weights are used, and all sizes are taken', async () => {
  for (const model of ['ddpm/unet', 'consistency/unet', 'unclip/super_res_first']) {
    const { config, weights } = await stored(model);
    const unet = await load(config, weights);
    expect(unet.unusedWeights).toEqual([]);
    const channels = unet.config.inChannels;
    const odd = await unet.predict({ sample: zeros([1, channels, 11, 9]), timestep: 3 });
    expect(odd.dims).toEqual([1, unet.config.outChannels, 11, 9]);
    await unet.dispose();
  }
});

test('the graph for sizes that can be halved gives what the graph for all sizes gives', async () => {
  const folder = await openFixture('golden/open/models/consistency/unet');
  const config = parseUnet2dConfig('unet', await readJson(folder, 'config.json'));
  const features = timestepFeatures([40, 40], { channels: 8, flipSinToCos: true, frequencyShift: 0 });
  const outputs: Tensor[] = [];
  for (const sizes of ['halvable', 'any'] as const) {
    const scope = WeightScope.of('unet', await openWeights(folder));
    const session = await device.createSession(unet2d('unet', config, scope, device.dialect, sizes));
    outputs.push((await session.run({ sample, timestep_features: features })).model_output!);
    await session.dispose();
  }
  expect(Math.max(...outputs[0]!.data)).toBeGreaterThan(0.1);
  expect(difference(outputs[0]!, outputs[1]!)).toBeLessThan(1e-5);
});

test('timesteps between the integers are their own', async () => {
  const { config, weights } = await stored('consistency/unet');
  const unet = await load(config, weights);
  const [whole, between] = [
    await unet.predict({ sample, timestep: 250 }),
    await unet.predict({ sample, timestep: 250.5 }),
  ];
  expect(difference(whole, between)).toBeGreaterThan(1e-4);
  await unet.dispose();
});

test('a class is a row of a table', async () => {
  const { config, weights } = await stored('ddpm/unet');
  const table = createRng({ kind: 'torch-cpu', seed: 1 }).normal([2, 32]);
  const unet = await load(
    { ...config, num_class_embeds: 2 },
    { ...weights, 'class_embedding.weight': table },
  );
  const both = await unet.predict({ sample, timestep: 5, classLabels: [0, 1] });
  const zero = await unet.predict({ sample, timestep: 5, classLabels: 0 });
  expect(both.data.slice(0, 768)).toEqual(zero.data.slice(0, 768));
  expect(both.data.slice(768)).not.toEqual(zero.data.slice(768));
  await expect(unet.predict({ sample, timestep: 5 })).rejects.toThrow(
    'unet: this model takes "classLabels", and none came. Give it.',
  );
  await unet.dispose();
});

test('projections named as in 2022 are the same', async () => {
  const { config, weights } = await stored('ddpm/unet');
  const old = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' };
  const renamed = Object.fromEntries(
    Object.entries(weights).map(([name, tensor]) => [
      Object.entries(old).reduce((text, [today, former]) => text.replace(`.${today}.`, `.${former}.`), name),
      tensor,
    ]),
  );
  expect(Object.keys(renamed)).not.toEqual(Object.keys(weights));
  const [today, former] = [await load(config, weights), await load(config, renamed)];
  expect(former.unusedWeights).toEqual([]);
  expect(await former.predict({ sample, timestep: 5 })).toEqual(await today.predict({ sample, timestep: 5 }));
  await today.dispose();
  await former.dispose();
});

test('what is not supported is refused by name', async () => {
  const { config } = await stored('ddpm/unet');
  const parse = (changes: Record<string, unknown>) => () =>
    parseUnet2dConfig('unet', { ...config, ...changes });
  expect(parse({ time_embedding_type: 'fourier' })).toThrow(
    'unet: "time_embedding_type" in its config.json is "fourier"; null, "positional" are supported.',
  );
  expect(parse({ down_block_types: ['DownBlock2D', 'SkipDownBlock2D'] })).toThrow(
    'DownBlock2D, ResnetDownsampleBlock2D, AttnDownBlock2D are supported.',
  );
  expect(parse({ attention_head_dim: 3 })).toThrow('16 channels do not divide into heads of 3.');
  expect(parse({ mid_block_type: null })().midBlock).toBeUndefined();
});
