import { type Folder, memoryFolder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadVae } from './load-vae.ts';

let device: Device;
/** The autoencoder of an export: its halves as folders. */
let exported: Folder;
beforeAll(async () => {
  device = await createTestDevice();
  const model = await openFixture('golden/open/onnx/sd1-onnx');
  exported = memoryFolder({
    'config.json': await model.read('vae_decoder/config.json'),
    'encoder/model.onnx': await model.read('vae_encoder/model.onnx'),
    'decoder/model.onnx': await model.read('vae_decoder/model.onnx'),
  });
});
afterAll(() => device.dispose());

const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('ready-made halves encode and decode as those written here do', async () => {
  const written = await loadVae(await openFixture('golden/open/models/sd1/vae'), { device });
  const ready = await loadVae(exported, { device });
  const rng = createRng({ kind: 'torch-cpu', seed: 0 });
  const [image, latents] = [rng.uniform([2, 3, 32, 48]), rng.normal([2, 4, 4, 6])];
  const [expected, actual] = [await written.encode(image), await ready.encode(image)];
  expect(worst(actual.mean, expected.mean)).toBeLessThan(1e-4);
  expect(worst(actual.logvar, expected.logvar)).toBeLessThan(1e-4);
  expect(worst(await ready.decode(latents), await written.decode(latents))).toBeLessThan(1e-4);
  await expect(ready.decode(latents, { tiling: true })).rejects.toThrow(
    'vae: tiling was asked for, and the ready-made graphs of this model take whole pictures alone. Use its folder with weights, or leave tiling out.',
  );
  await expect(ready.decode(zeros([1, 16, 8, 8]))).rejects.toThrow('vae: the latents are [1, 16, 8, 8]');
  for (const vae of [written, ready]) await vae.dispose();
});

test('the graph of something else is refused with what it has', async () => {
  const swapped = memoryFolder(
    {
      'config.json': await exported.read('config.json'),
      'encoder/model.onnx': await exported.read('decoder/model.onnx'),
      'decoder/model.onnx': await exported.read('decoder/model.onnx'),
    },
    'vae',
  );
  await expect(loadVae(swapped, { device })).rejects.toThrow(
    'vae: the graph vae/encoder/model.onnx (latent_sample, sample) has not "sample" as its input and "latent_parameters" as its output. Export the model with Optimum.',
  );
});
