import { type Folder, memoryFolder, openWeights, readJson } from '@emulsion/checkpoints';
import { timestepFeatures, WeightScope } from '@emulsion/nn';
import type { Device } from '@emulsion/runtime';
import { createRng, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadUnet } from './load-unet.ts';
import { unet2dCondition } from './unet-2d-condition.ts';
import { parseUnetConfig } from './unet-config.ts';

let device: Device;
let stored: Folder;
let config: Record<string, unknown>;
let weights: Uint8Array;
beforeAll(async () => {
  device = await createTestDevice();
  stored = await openFixture('golden/open/models/sd1/unet');
  config = (await readJson(stored, 'config.json')) as typeof config; // an object, as in every model
  weights = await stored.read('diffusion_pytorch_model.safetensors');
});
afterAll(() => device.dispose());

/** The folder with a changed configuration. */
const folderWith = (changes: Record<string, unknown>): Folder =>
  memoryFolder({
    'config.json': JSON.stringify({ ...config, ...changes }),
    'diffusion_pytorch_model.safetensors': weights,
  });

test('weights in memory give the same output as weights in a file', async () => {
  const inputs = {
    sample: zeros([1, 4, 8, 8]),
    timestep: 500,
    encoderHiddenStates: zeros([1, 77, 32]),
  };
  const outputs = [];
  for (const folder of [stored, folderWith({})]) {
    const unet = await loadUnet(folder, { device });
    expect(unet.unusedWeights).toEqual([]);
    outputs.push(await unet.predict(inputs));
    await unet.dispose();
  }
  expect(outputs[0]!.data.some((value) => value !== 0)).toBe(true);
  expect(outputs[1]).toEqual(outputs[0]);
});

test('inputs of the wrong shape are refused with the shape that is wanted', async () => {
  const unet = await loadUnet(stored, { device });
  const right = { sample: zeros([2, 4, 8, 8]), timestep: 500, encoderHiddenStates: zeros([2, 77, 32]) };
  await expect(unet.predict({ ...right, encoderHiddenStates: zeros([2, 77, 768]) })).rejects.toThrow(
    'unet: "encoderHiddenStates" is [2, 77, 768], this model takes [2, any, 32]. Use the text encoder and the latents that belong to it.',
  );
  await expect(unet.predict({ ...right, sample: zeros([2, 9, 8, 8]) })).rejects.toThrow(
    'unet: "sample" is [2, 9, 8, 8], this model takes [any, 4, any, any].',
  );
  await expect(unet.predict({ ...right, timestep: [1, 2, 3] })).rejects.toThrow(
    'unet: 3 timesteps came for 2 samples. Give one for all or one for each.',
  );
  await unet.dispose();
});

test('a configuration that does not belong to the weights is refused with the weight that tells', async () => {
  await expect(loadUnet(folderWith({ cross_attention_dim: 64 }), { device })).rejects.toThrow(
    /^unet: "down_blocks\.0\.attentions\.0\.transformer_blocks\.0\.attn2\.to_k\.weight" is \[16, 32\], its config\.json asks for \[16, 64\]/,
  );
  await expect(loadUnet(folderWith({ layers_per_block: 3 }), { device })).rejects.toThrow(
    /^unet: the checkpoint has no weight "down_blocks\.0\.resnets\.2/,
  );
});

test('what is not supported is refused by name', () => {
  const parse = (changes: Record<string, unknown>) => () =>
    parseUnetConfig('unet', { ...config, ...changes });
  expect(parse({ class_embed_type: 'fourier' })).toThrow(
    'unet: "class_embed_type" in its config.json is "fourier"; timestep, projection, simple_projection, identity are supported.',
  );
  expect(parse({ dual_cross_attention: true })).toThrow(
    'unet: "dual_cross_attention" in its config.json is true; null, false are supported.',
  );
  expect(parse({ down_block_types: ['CrossAttnDownBlock2D', 'AttnDownBlock2D'] })).toThrow(
    'DownBlock2D, CrossAttnDownBlock2D are supported.',
  );
  expect(parse({ down_block_types: ['DownBlock2D'] })).toThrow('one type for each of 2 blocks is wanted.');
  expect(parse({ block_out_channels: 'wide' })).toThrow(
    'unet: "block_out_channels" in its config.json is "wide"; a list of numbers is wanted.',
  );
  expect(parse({ attention_head_dim: 5 })).toThrow('16 channels do not divide into 5 heads.');
});

test('a loading that is aborted rejects with the reason', async () => {
  const reason = new Error('enough');
  await expect(loadUnet(stored, { device, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('samples of any size are taken, one after the other', async () => {
  const unet = await loadUnet(stored, { device });
  const predict = (height: number, width: number) =>
    unet.predict({
      sample: createRng({ kind: 'torch-cpu', seed: 0 }).normal([1, 4, height, width]),
      timestep: 500,
      encoderHiddenStates: zeros([1, 77, 32]),
    });
  const first = await predict(8, 8);
  expect((await predict(9, 7)).dims).toEqual([1, 4, 9, 7]);
  expect(await predict(8, 8)).toEqual(first);
  await unet.dispose();
  await expect(predict(8, 8)).rejects.toThrow('unet was disposed. Load it again to run it.');
});

test('the graph for sizes that can be halved gives what the graph for all sizes gives', async () => {
  const inputs = {
    sample: createRng({ kind: 'torch-cpu', seed: 0 }).normal([1, 4, 6, 8]),
    timestep_features: timestepFeatures([500], { channels: 16, flipSinToCos: true, frequencyShift: 0 }),
    encoder_hidden_states: createRng({ kind: 'torch-cpu', seed: 1 }).normal([1, 77, 32]),
  };
  const parsed = parseUnetConfig('unet', config);
  const outputs = [];
  for (const sizes of ['halvable', 'any'] as const) {
    const scope = WeightScope.of('unet', await openWeights(stored));
    const session = await device.createSession(
      unet2dCondition('unet', parsed, scope, device.dialect, { sizes, residuals: false }),
    );
    outputs.push((await session.run(inputs)).model_output!);
    await session.dispose();
  }
  const [halvable, any] = outputs;
  const scale = Math.max(...any!.data.map(Math.abs));
  const worst = any!.data.reduce((max, value, i) => Math.max(max, Math.abs(value - halvable!.data[i]!)), 0);
  expect(scale).toBeGreaterThan(0.1);
  expect(worst / scale).toBeLessThan(1e-5);
});
