import {
  type Folder,
  memoryFolder,
  openSafetensors,
  openWeights,
  readTensor,
  writeSafetensors,
} from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { cpuOps, createRng, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture, rewriteHeader } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadT2iAdapter } from './load-t2i-adapter.ts';
import { pixelUnshuffle } from './pixel-unshuffle.ts';
import { weighFeatures } from './weigh-features.ts';

let device: Device;
let recorded: Folder;
beforeAll(async () => {
  device = await createTestDevice();
  recorded = await openFixture('image-adapters');
});
afterAll(() => device.dispose());

async function expected(name: string): Promise<Tensor> {
  const weights = await openSafetensors(recorded, 'expected.safetensors');
  return readTensor(recorded, weights.get(name)!);
}

/** A picture in [0, 1] from its bytes. */
const picture = async (name: string) => cpuOps.affine(await expected(`t2i.${name}.picture`), 1 / 255, 0);

function expectClose(actual: Tensor, wanted: Tensor, tolerance = 1e-4): void {
  expect(actual.dims).toEqual(wanted.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - wanted.data[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}

test.each([
  ['a full adapter', 't2i-adapter', 'full', 2],
  ['a full adapter on a picture whose features are of odd sizes', 't2i-adapter', 'odd', 2],
  ['a light adapter', 't2i-adapter-light', 'light', 3],
  ['an adapter for XL', 't2i-adapter-xl', 'xl', 2],
  ['an adapter for XL with all of its blocks', 't2i-adapter-xl-deep', 'deep', 4],
])('%s gives the recorded features', async (_, path, name, count) => {
  const adapter = await loadT2iAdapter(recorded.subfolder(path), { device });
  expect(adapter.unusedWeights).toEqual([]);
  const features = await adapter.features(await picture(name));
  expect(features).toHaveLength(count);
  for (const [i, feature] of features.entries())
    expectClose(feature, await expected(`t2i.${name}.feature_${i}`));
  await adapter.dispose();
});

/** The file of an adapter with its weights renamed. */
const renamed = async (path: string, rename: (header: string) => string) =>
  rewriteHeader(await recorded.read(`${path}/diffusion_pytorch_model.safetensors`), (header) => {
    const other = rename(header);
    expect(other).not.toContain('resnets');
    return other;
  });

test('the original names mean the same, and tell the configuration', async () => {
  const file = await renamed('t2i-adapter', (header) =>
    header
      .replaceAll('"adapter.', '"')
      .replaceAll(/"body\.(\d)\.resnets\.(\d)/g, (_, block, i) => `"body.${2 * Number(block) + Number(i)}`)
      .replaceAll('"body.1.in_conv', '"body.2.in_conv'),
  );
  const folder = memoryFolder({ 'canny.safetensors': file });
  const adapter = await loadT2iAdapter(folder, { device, file: 'canny.safetensors' });
  expect(adapter.config).toEqual({
    adapterType: 'full_adapter',
    channels: [16, 24],
    residualBlocks: 2,
    inChannels: 1,
    downscaleFactor: 8,
  });
  expect(adapter.unusedWeights).toEqual([]);
  const features = await adapter.features(await picture('full'));
  expectClose(features[1]!, await expected('t2i.full.feature_1'));
  await adapter.dispose();
});

test('so do those of an adapter with few channels', async () => {
  const file = await renamed('t2i-adapter-light', (header) =>
    header.replaceAll('"adapter.', '"').replaceAll('.resnets.', '.body.'),
  );
  const folder = memoryFolder({ 'color.safetensors': file });
  const adapter = await loadT2iAdapter(folder, { device, file: 'color.safetensors' });
  expect(adapter.config).toMatchObject({ adapterType: 'light_adapter', channels: [16, 24], inChannels: 3 });
  const features = await adapter.features(await picture('light'));
  expectClose(features[2]!, await expected('t2i.light.feature_2'));
  await adapter.dispose();
});

test('colours become grey where an adapter takes grey', async () => {
  const adapter = await loadT2iAdapter(recorded.subfolder('t2i-adapter'), { device });
  const grey = await picture('full');
  const colours = tensor(Float32Array.of(...grey.data, ...grey.data, ...grey.data), [1, 3, 64, 64]);
  const [fromGrey, fromColours] = [await adapter.features(grey), await adapter.features(colours)];
  for (const [i, feature] of fromGrey.entries()) expectClose(fromColours[i]!, feature, 1e-5);
  await adapter.dispose();
});

test('squares of pixels become channels, the first row first', () => {
  const x = tensor(
    Float32Array.from({ length: 16 }, (_, i) => i),
    [1, 1, 4, 4],
  );
  const unshuffled = pixelUnshuffle(x, 2);
  expect(unshuffled.dims).toEqual([1, 4, 2, 2]);
  expect([...unshuffled.data]).toEqual([0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15]);
  expect(() => pixelUnshuffle(x, 3)).toThrow(
    'pixelUnshuffle: [1, 1, 4, 4] has no height and width that are multiples of 3. Resize the picture.',
  );
});

test('features of several adapters are added up by their scales', () => {
  const rng = createRng({ kind: 'torch-cpu', seed: 0 });
  const [one, two] = [[rng.normal([1, 2, 3, 3])], [rng.normal([1, 2, 3, 3])]];
  const [sum] = weighFeatures(cpuOps, [
    { features: one, scale: 0.5 },
    { features: two, scale: 2 },
  ]);
  expectClose(sum!, cpuOps.combine([0.5, one[0]!], [2, two[0]!]), 1e-7);
  expect(() =>
    weighFeatures(cpuOps, [
      { features: one, scale: 1 },
      { features: [zeros([1, 4, 3, 3])], scale: 1 },
    ]),
  ).toThrow(
    't2i-adapter: one gives [1, 2, 3, 3], another [1, 4, 3, 3]. Use adapters for the same model together.',
  );
});

test('a picture that an adapter does not take is refused', async () => {
  const adapter = await loadT2iAdapter(recorded.subfolder('t2i-adapter'), { device });
  await expect(adapter.features(zeros([1, 2, 64, 64]))).rejects.toThrow(
    't2i-adapter: the picture is [1, 2, 64, 64], this adapter takes [any, 1, height, width] with multiples of 8. Resize the picture to follow, or give one of its kind.',
  );
  await expect(adapter.features(zeros([1, 1, 64, 60]))).rejects.toThrow('with multiples of 8');
  await adapter.dispose();
});

test('what is not a T2I-Adapter is refused with what it is', async () => {
  const config = JSON.stringify({ _class_name: 'ControlNetModel' });
  const weights = await recorded.read('t2i-adapter/diffusion_pytorch_model.safetensors');
  const other = memoryFolder({ 'config.json': config, 'diffusion_pytorch_model.safetensors': weights });
  await expect(loadT2iAdapter(other, { device })).rejects.toThrow(
    't2i-adapter: "_class_name" in its config.json is "ControlNetModel"; T2IAdapter is supported.',
  );
  const style = memoryFolder({
    'style.safetensors': writeSafetensors({ 'ln_pre.weight': tensor([1], [1]) }),
  });
  await expect(loadT2iAdapter(style, { device, file: 'style.safetensors' })).rejects.toThrow(
    't2i-adapter: its weights ("ln_pre.weight" is the first) are not those of a T2I-Adapter. Take the adapter\'s own file, not a style adapter\'s or a whole model.',
  );
});

test('a file that is cut short is refused with what is missing', async () => {
  const stored = recorded.subfolder('t2i-adapter');
  const kept = [...(await openWeights(stored)).values()].filter(
    ({ name }) => !name.includes('body.1.resnets.1'),
  );
  const tensors = await Promise.all(
    kept.map(async (weight) => [weight.name, await readTensor(stored, weight)] as const),
  );
  const folder = memoryFolder({
    'config.json': await stored.read('config.json'),
    'diffusion_pytorch_model.safetensors': writeSafetensors(Object.fromEntries(tensors)),
  });
  await expect(loadT2iAdapter(folder, { device })).rejects.toThrow(
    't2i-adapter: the checkpoint has no weight "adapter.body.1.resnets.1.block1.weight".',
  );
});
