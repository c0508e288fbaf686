import type { Folder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { cpuOps, createRng, type Tensor, zeros } from '@emulsion/tensor';
import { changedComponent, createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import { loadUnet } from '@emulsion/unet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addResiduals } from './add-residuals.ts';
import { type ControlNet, loadControlNet } from './load-controlnet.ts';

let device: Device;
let stored: Folder;
let net: ControlNet;
beforeAll(async () => {
  device = await createTestDevice();
  stored = await openFixture('golden/open/models/controlnet');
  net = await loadControlNet(stored, { device });
});
afterAll(() => device.dispose());

const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const inputs = {
  sample: rng.normal([2, 4, 8, 8]),
  timestep: 500,
  encoderHiddenStates: rng.normal([2, 77, 32]),
  controlnetCond: rng.uniform([2, 3, 64, 64]),
};

const folderWith = (changes: Record<string, unknown>) => changedComponent(stored, changes);

function expectClose(actual: Tensor, expected: Tensor, tolerance = 1e-5): void {
  expect(actual.dims).toEqual(expected.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - expected.data[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}

test('residuals have the shapes of the skip connections, and grow with their scale', async () => {
  expect(net.unusedWeights).toEqual([]);
  const whole = await net.predict(inputs);
  expect(whole.downBlockResiduals.map(({ dims }) => dims)).toEqual([
    [2, 16, 8, 8],
    [2, 16, 8, 8],
    [2, 16, 8, 8],
    [2, 16, 4, 4],
    [2, 24, 4, 4],
    [2, 24, 4, 4],
  ]);
  const half = await net.predict({ ...inputs, conditioningScale: 0.5 });
  for (const [i, residual] of half.downBlockResiduals.entries())
    expectClose(residual, cpuOps.affine(whole.downBlockResiduals[i]!, 0.5, 0));
  const guessed = await net.predict({ ...inputs, conditioningScale: 2, guessMode: true });
  // From a tenth to the whole, in equal ratios.
  for (const [i, residual] of guessed.downBlockResiduals.entries())
    expectClose(residual, cpuOps.affine(whole.downBlockResiduals[i]!, 2 * 10 ** (i / 6 - 1), 0));
  expectClose(guessed.midBlockResidual, cpuOps.affine(whole.midBlockResidual, 2, 0));
});

test('one picture is followed by all samples', async () => {
  const one = cpuOps.slice(inputs.controlnetCond, 0, 1);
  const shared = await net.predict({ ...inputs, controlnetCond: one });
  const repeated = await net.predict({ ...inputs, controlnetCond: cpuOps.concat([one, one]) });
  expectClose(shared.midBlockResidual, repeated.midBlockResidual);
});

test('a network that was trained with blue first sees blue first', async () => {
  const reversed = await loadControlNet(await folderWith({ controlnet_conditioning_channel_order: 'bgr' }), {
    device,
  });
  const channels = [2, 1, 0].map((channel) => cpuOps.slice(inputs.controlnetCond, channel, channel + 1, 1));
  const picture = zeros([2, 3, 64, 64]);
  for (const [at, { data }] of channels.entries())
    for (const row of [0, 1])
      picture.data.set(data.subarray(row * 4096, (row + 1) * 4096), (3 * row + at) * 4096);
  const actual = await reversed.predict({ ...inputs, controlnetCond: picture });
  expectClose(actual.midBlockResidual, (await net.predict(inputs)).midBlockResidual);
  await reversed.dispose();
});

test('pooled residuals are means over the picture, which guess mode does not scale', async () => {
  const pooled = await loadControlNet(await folderWith({ global_pool_conditions: true }), { device });
  const { midBlockResidual, downBlockResiduals } = await pooled.predict({ ...inputs, guessMode: true });
  const whole = (await net.predict(inputs)).downBlockResiduals[0]!;
  const means = Array.from(
    { length: 2 * 16 },
    (_, i) => whole.data.subarray(i * 64, (i + 1) * 64).reduce((sum, value) => sum + value, 0) / 64,
  );
  expect(midBlockResidual.dims).toEqual([2, 24, 1, 1]);
  expect(downBlockResiduals[0]!.dims).toEqual([2, 16, 1, 1]);
  for (const [i, mean] of means.entries()) expect(downBlockResiduals[0]!.data[i]).toBeCloseTo(mean, 5);
  await pooled.dispose();
});

test('what several networks add is their sum', async () => {
  const one = await net.predict(inputs);
  const two = await net.predict({ ...inputs, conditioningScale: 0.25 });
  const both = addResiduals(cpuOps, [one, two]);
  expectClose(both.midBlockResidual, cpuOps.affine(one.midBlockResidual, 1.25, 0));
  expectClose(both.downBlockResiduals[3]!, cpuOps.affine(one.downBlockResiduals[3]!, 1.25, 0));
  expect(addResiduals(cpuOps, [one])).toEqual(one);
});

test('a ControlNet of Stable Diffusion XL takes what its U-Net takes, and fits its skip connections', async () => {
  const folder = await openFixture('golden/open/models/sdxl/unet');
  const copied = Object.entries(await readWeights(folder)).filter(
    ([name]) => !/^up_blocks|^conv_norm_out|^conv_out/.test(name),
  );
  const random = (...dims: number[]) => cpuOps.affine(rng.normal(dims), 0.1, 0);
  const convolution = (name: string, inChannels: number, outChannels: number, kernel: number) => [
    [`${name}.weight`, random(outChannels, inChannels, kernel, kernel)] as const,
    [`${name}.bias`, random(outChannels)] as const,
  ];
  const own = [
    convolution('controlnet_cond_embedding.conv_in', 3, 4, 3),
    convolution('controlnet_cond_embedding.blocks.0', 4, 4, 3),
    convolution('controlnet_cond_embedding.blocks.1', 4, 8, 3),
    convolution('controlnet_cond_embedding.conv_out', 8, 8, 3),
    ...[8, 8, 8, 16].map((channels, i) => convolution(`controlnet_down_blocks.${i}`, channels, channels, 1)),
    convolution('controlnet_mid_block', 16, 16, 1),
  ].flat();
  const xl = await loadControlNet(
    await changedComponent(
      folder,
      { conditioning_embedding_out_channels: [4, 8] },
      Object.fromEntries([...copied, ...own]),
    ),
    { device },
  );
  expect(xl.unusedWeights).toEqual([]);
  const unet = await loadUnet(folder, { device });
  const asked = {
    sample: inputs.sample,
    timestep: 500,
    encoderHiddenStates: rng.normal([2, 77, 72]),
    addedConditions: { textEmbeds: rng.normal([2, 32]), timeIds: rng.uniform([2, 6]) },
  };
  const plain = await unet.predict(asked);
  const residuals = await xl.predict({ ...asked, controlnetCond: rng.uniform([1, 3, 16, 16]) });
  const led = await unet.predict({ ...asked, residuals });
  expect(led.dims).toEqual(plain.dims);
  expect(led).not.toEqual(plain);
  await expect(
    xl.predict({ ...asked, addedConditions: undefined, controlnetCond: zeros([1, 3, 16, 16]) }),
  ).rejects.toThrow('controlnet: this model takes "addedConditions", and none came. Give it.');
  await xl.dispose();
  await unet.dispose();
});

test('a picture of another size is refused with the one that is wanted', async () => {
  await expect(net.predict({ ...inputs, controlnetCond: zeros([1, 3, 64, 32]) })).rejects.toThrow(
    'controlnet: "controlnetCond" is [1, 3, 64, 32], for samples of [2, 4, 8, 8] it must be [1, 3, 64, 64]. Resize the picture to follow.',
  );
  await expect(
    loadControlNet(await folderWith({ conditioning_embedding_out_channels: [] }), { device }),
  ).rejects.toThrow(
    'controlnet: "conditioning_embedding_out_channels" in its config.json is []; at least one number is wanted.',
  );
});
