/// <reference types="node" />
import { fileURLToPath } from 'node:url';
import type { Device } from '@emulsion/runtime';
import { createDevice } from '@emulsion/runtime-node';
import { cpuOps, createRng } from '@emulsion/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPipeline, type StableDiffusionPipeline } from './load-pipeline.ts';
import { type OutpaintOptions, outpaint } from './outpaint.ts';

const model = fileURLToPath(new URL('../../../fixtures/golden/open/models/sd1', import.meta.url));
let device: Device;
let pipeline: StableDiffusionPipeline;
beforeAll(async () => {
  device = await createDevice('cpu');
  const loaded = await loadPipeline(model, { device });
  if (!('unet' in loaded)) throw new Error('The model has a U-Net.');
  pipeline = loaded;
});
afterAll(async () => {
  await pipeline.dispose();
  await device.dispose();
});

const image = cpuOps.clamp(
  cpuOps.affine(createRng({ kind: 'torch-cpu', seed: 3 }).normal([1, 3, 48, 64]), 0.2, 0.5),
  0,
  1,
);
const options: OutpaintOptions = {
  prompt: 'a cat',
  image,
  expand: { top: 16, right: 24, left: 8 },
  numInferenceSteps: 2,
  seed: 0,
  scheduler: 'euler',
};

test('the picture becomes larger on the sides that are named, and stays where it was but for its edges', async () => {
  const { pixels } = await pipeline(options);
  expect(pixels.dims).toEqual([1, 3, 64, 96]);
  // Overlap and blur reach 8 and 10 pixels into the picture, but not from its lower edge.
  const kept = (y: number, x: number) => y >= 18 && x >= 18 && x < 46;
  let changed = 0;
  for (const [i, value] of image.data.entries()) {
    const [plane, y, x] = [Math.floor(i / (48 * 64)), Math.floor(i / 64) % 48, i % 64];
    const painted = pixels.data[(plane * 64 + y + 16) * 96 + x + 8];
    if (kept(y, x)) expect(painted).toBe(value);
    else changed += Math.abs(painted! - value);
  }
  expect(changed).toBeGreaterThan(1);
});

test('a mask beside it is refused', async () => {
  const both = { ...options, maskImage: cpuOps.slice(image, 0, 1, 1) };
  await expect(pipeline(both)).rejects.toThrow(
    'expand: it says itself what is painted. Leave maskImage or expand out.',
  );
});

test('with little strength the new part goes on from the edges', async () => {
  const flat = cpuOps.affine(image, 0, 0.5);
  const edge = { ...options, image: flat, strength: 0.5, overlap: 0 };
  const [near, far] = [
    await pipeline(edge),
    await pipeline({ ...edge, image: cpuOps.affine(image, 0, 0.9) }),
  ];
  expect(near.pixels).not.toEqual(far.pixels);
});

test.each<[Partial<OutpaintOptions>, string]>([
  [{ expand: {} }, 'expand: all margins are 0. Give at least one side that is widened.'],
  [{ expand: { top: -8 } }, 'expand.top is -8. Give a whole number of pixels from 0.'],
  [{ overlap: 0.5 }, 'overlap is 0.5. Give a whole number of pixels from 0.'],
])('%o is refused', async (change, message) => {
  await expect(outpaint(pipeline, { ...options, ...change })).rejects.toThrow(message);
});

test('a size that the autoencoder does not make says the nearest', async () => {
  await expect(pipeline({ ...options, expand: { top: 7 } })).rejects.toThrow(
    "height is 55; this model's autoencoder makes multiples of 8. 56 is the nearest.",
  );
});
