import { type Folder, memoryFolder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadReadyUnet } from './load-ready-unet.ts';
import { loadUnet, type Unet } from './load-unet.ts';

let device: Device;
let exported: Folder;
let unet: Unet;
beforeAll(async () => {
  device = await createTestDevice();
  exported = await openFixture('golden/open/onnx/sd1-onnx/unet');
  unet = await loadUnet(exported, { device });
});
afterAll(async () => {
  await unet.dispose();
  await device.dispose();
});

const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const inputs = {
  sample: rng.normal([2, 4, 8, 8]),
  encoderHiddenStates: rng.normal([2, 77, 32]),
  timestep: 500,
};
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('a ready-made graph predicts what the graph written here predicts', async () => {
  const written = await loadUnet(await openFixture('golden/open/models/sd1/unet'), { device });
  const expected = await written.predict(inputs);
  await written.dispose();
  expect(worst(await unet.predict(inputs), expected)).toBeLessThan(1e-3);
  expect(worst(await unet.predict({ ...inputs, timestep: [500, 500] }), expected)).toBeLessThan(1e-3);
});

test('what its graph cannot take is refused with a reason', async () => {
  await expect(unet.predict({ ...inputs, timestep: [500, 400] })).rejects.toThrow(
    "unet: the timesteps [500, 400] came for 2 samples; this model's graph is ready-made and takes one for all. Give one.",
  );
  const residuals = { downBlockResiduals: [zeros([1, 1, 1, 1])], midBlockResidual: zeros([1, 1, 1, 1]) };
  await expect(unet.predict({ ...inputs, residuals })).rejects.toThrow(
    'unet: this model\'s graph is ready-made and has no input "down_block_residual_0". A ControlNet needs the model in diffusers layout, with its weights.',
  );
  await expect(unet.predict({ ...inputs, timestepCond: zeros([2, 256]) })).rejects.toThrow(
    'unet: this model\'s graph is ready-made and has no input "timestep_cond". Leave it out.',
  );
  await expect(unet.predict({ ...inputs, adapterFeatures: [] })).rejects.toThrow(
    "unet: this model's graph is ready-made and takes no T2I-Adapters. Use the model in diffusers layout, with its weights.",
  );
});

test('an input that is missing is named', async () => {
  const ready = await loadReadyUnet(exported, { device });
  await expect(ready.predict({ sample: inputs.sample, timestep: 1 })).rejects.toThrow(
    'unet: this model\'s graph takes "encoder_hidden_states", and none came. Give it.',
  );
  await ready.dispose();
});

test('the graph of something else is refused with what it has', async () => {
  const decoder = await openFixture('golden/open/onnx/sd1-onnx/vae_decoder');
  const folder = memoryFolder({ 'model.onnx': await decoder.read('model.onnx') }, 'unet');
  await expect(loadReadyUnet(folder, { device })).rejects.toThrow(
    'unet: the graph unet/model.onnx (latent_sample, sample) has not the inputs "sample" and "timestep" and one output. Export the model with Optimum.',
  );
});
