import { openWeights } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
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

test('the weights of both halves are the bytes that the file has for them', async () => {
  const weights = await openWeights(await openFixture('golden/open/models/sd1/vae'));
  const bytes = (half: RegExp) =>
    [...weights.values()].reduce((sum, { name, range }) => sum + (half.test(name) ? range.length : 0), 0);
  expect((await vae.encodeMemory([1, 3, 64, 64])).stored).toBe(bytes(/^(encoder|quant_conv)/));
  const tiled = await vae.encodeMemory([1, 3, 64, 64], { tiling: true });
  expect(tiled.stored).toBe(bytes(/^(encoder|quant_conv)/));
  expect((await vae.decodeMemory([1, 4, 8, 8])).stored).toBe(bytes(/^(decoder|post_quant_conv)/));
  expect((await vae.decodeMemory([1, 4, 8, 8], { tiling: true })).stored).toBe(
    bytes(/^(decoder|post_quant_conv)/),
  );
});

test('a batch takes no more than one, a larger picture takes more, and tiles little of it', async () => {
  const of = async (...dims: number[]) => (await vae.decodeMemory(dims)).activations!;
  expect(await of(4, 4, 32, 32)).toBe(await of(1, 4, 32, 32));
  expect(await of(1, 4, 32, 64)).toBe(await of(1, 4, 64, 32));
  const growth = (await of(1, 4, 64, 64)) / (await of(1, 4, 32, 32));
  const latents = [1, 4, 128, 128];
  const image = [1, 3, 1024, 1024];
  const tiling = { tileSize: 64 };
  const halves = [
    [await vae.decodeMemory(latents), await vae.decodeMemory(latents, { tiling })],
    [await vae.encodeMemory(image), await vae.encodeMemory(image, { tiling })],
  ].map((half) => half.map(({ activations }) => activations!) as [number, number]);
  if (device.dialect.attention === 'fused') {
    expect(growth).toBeCloseTo(4, 1);
    for (const [whole, tiled] of halves) expect(tiled).toBeLessThan(whole / 2);
  } else {
    // Attention that is no kernel of its own holds what each latent makes of each other one, whatever is tiled around it.
    expect(growth).toBeGreaterThan(4);
    for (const [whole, tiled] of halves) {
      expect(tiled).toBeGreaterThan(4 * 128 ** 4);
      expect(tiled).toBeLessThanOrEqual(whole);
    }
  }
});
