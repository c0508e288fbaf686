import { memoryFolder, readJson } from '@emulsion/checkpoints';
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

const latents = (...dims: number[]) => createRng({ kind: 'torch-cpu', seed: 0 }).normal(dims);
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('a picture decoded by tiles is the picture decoded whole, of any size, and of each sample of a batch', async () => {
  for (const dims of [
    [1, 4, 16, 16],
    [2, 4, 9, 21],
  ]) {
    const z = latents(...dims);
    const whole = await vae.decode(z);
    const tiled = await vae.decode(z, { tiling: { tileSize: 40 } });
    expect(tiled.dims).toEqual(whole.dims);
    // Less than a hundredth of the difference of two neighbours among 256 shades.
    expect(worst(tiled, whole)).toBeLessThan(2 / 255 / 100);
    expect(Math.max(...whole.data)).toBeGreaterThan(0.1);
  }
});

test('tiles that keep to their own statistics would show', async () => {
  const z = latents(1, 4, 16, 16);
  // One half of the picture is of another kind: what a norm gives depends on all of it.
  z.data.forEach((value, i) => {
    if (i % 16 >= 8) z.data[i] = 4 * value;
  });
  const whole = await vae.decode(z);
  const half = await vae.decode(device.ops.slice(z, 0, 8, 3));
  expect(worst(half, device.ops.slice(whole, 0, 64, 3))).toBeGreaterThan(10 * (2 / 255));
  expect(worst(await vae.decode(z, { tiling: { tileSize: 32 } }), whole)).toBeLessThan(2 / 255 / 100);
});

test('samples decoded one after the other are those decoded together', async () => {
  const z = latents(3, 4, 4, 4);
  expect(worst(await vae.decode(z, { slicing: true }), await vae.decode(z))).toBeLessThan(1e-5);
});

test('a picture smaller than a tile is one tile, and tiles that are too small are refused', async () => {
  const z = latents(1, 4, 4, 4);
  expect(worst(await vae.decode(z, { tiling: true }), await vae.decode(z))).toBeLessThan(2 / 255 / 100);
  await expect(vae.decode(z, { tiling: { tileSize: 8 } })).rejects.toThrow(
    'vae: tileSize is 8. Give an integer of at least 16, in pixels.',
  );
});

test('autoencoders without quantizing convolutions and attention have tiles too, tiny ones do not', async () => {
  const sd3 = await loadVae(await openFixture('golden/open/models/sd3/vae'), { device });
  const z = latents(1, 16, 6, 6);
  expect(worst(await sd3.decode(z, { tiling: { tileSize: 16 } }), await sd3.decode(z))).toBeLessThan(
    2 / 255 / 100,
  );
  const folder = await openFixture('golden/open/models/sd3/vae');
  const json = (await readJson(folder, 'config.json')) as object; // an object, as in every model
  const plain = await loadVae(
    memoryFolder({
      'config.json': JSON.stringify({ ...json, mid_block_add_attention: false }),
      'diffusion_pytorch_model.safetensors': await folder.read('diffusion_pytorch_model.safetensors'),
    }),
    { device },
  );
  expect(worst(await plain.decode(z, { tiling: { tileSize: 16 } }), await plain.decode(z))).toBeLessThan(
    2 / 255 / 100,
  );
  const tiny = await loadVae(await openFixture('golden/open/models/taesd'), { device });
  await expect(tiny.decode(latents(1, 4, 4, 4), { tiling: true })).rejects.toThrow(
    'vae: tiling was asked for, and an AutoencoderTiny has no tiles. It takes a small part of the memory: leave tiling out.',
  );
});

test('decoding by tiles stops between two of them', async () => {
  const reason = new Error('enough');
  await expect(
    vae.decode(latents(1, 4, 4, 4), { tiling: true, signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
});
