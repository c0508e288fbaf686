import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadVae, type Vae } from './load-vae.ts';

let device: Device;
let vae: Vae;
beforeAll(async () => {
  device = await createTestDevice();
  vae = await loadVae(await openFixture('golden/open/models/sd1/vae'), { device });
});
afterAll(() => device.dispose());

/** Pictures whose right half is brighter, so that no tile has the statistics of the whole. */
function pictures(...dims: number[]): Tensor {
  const image = createRng({ kind: 'torch-cpu', seed: 0 }).uniform(dims);
  const width = dims[3]!;
  image.data.forEach((value, i) => {
    image.data[i] = i % width < width / 2 ? value - 1 : value;
  });
  return image;
}
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('a picture encoded by tiles has the latents of the picture encoded whole, each of a batch', async () => {
  const image = pictures(2, 3, 96, 136);
  const whole = await vae.encode(image);
  const tiled = await vae.encode(image, { tiling: { tileSize: 40 } });
  expect(tiled.mean.dims).toEqual([2, 4, 12, 17]);
  expect(worst(tiled.mean, whole.mean)).toBeLessThan(1e-4);
  expect(worst(tiled.logvar, whole.logvar)).toBeLessThan(1e-4);
  expect(Math.max(...whole.mean.data.map(Math.abs))).toBeGreaterThan(0.05);
});

test('a tile that keeps to its own statistics would show', async () => {
  const image = pictures(1, 3, 64, 64);
  const [whole, half] = [await vae.encode(image), await vae.encode(device.ops.slice(image, 0, 32, 3))];
  expect(worst(half.mean, device.ops.slice(whole.mean, 0, 4, 3))).toBeGreaterThan(1e-2);
});

test('tiles that are too small, and those of tiny autoencoders, are refused', async () => {
  await expect(vae.encode(pictures(1, 3, 32, 32), { tiling: { tileSize: 8 } })).rejects.toThrow(
    'vae: tileSize is 8. Give an integer of at least 16, in pixels.',
  );
  const tiny = await loadVae(await openFixture('golden/open/models/taesd'), { device });
  await expect(tiny.encode(pictures(1, 3, 32, 32), { tiling: true })).rejects.toThrow(
    'vae: tiling was asked for, and an AutoencoderTiny has no tiles.',
  );
});
