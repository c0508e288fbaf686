import type { Device } from '@emulsion/runtime';
import { zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadUnconditional, type UnconditionalPipeline } from './unconditional.ts';

let device: Device;
let pipeline: UnconditionalPipeline;
beforeAll(async () => {
  device = await createTestDevice();
  pipeline = await loadUnconditional(await openFixture('golden/open/models/ddpm'), { device });
});
afterAll(() => device.dispose());

test('pictures have the size that the model was trained on, or another', async () => {
  const steps: number[] = [];
  const { images, pixels, seeds } = await pipeline({
    seed: 0,
    batchSize: 2,
    numInferenceSteps: 3,
    onStep: ({ progress }) => void steps.push(progress),
  });
  expect(images.map(({ width, height }) => [width, height])).toEqual([
    [16, 16],
    [16, 16],
  ]);
  expect(pixels.data.every((value) => value >= 0 && value <= 1)).toBe(true);
  expect(seeds).toEqual([0]);
  expect(steps).toEqual([1 / 3, 2 / 3, 1]);
  const wide = await pipeline({ seed: 0, numInferenceSteps: 1, width: 24, height: 12 });
  expect(wide.pixels.dims).toEqual([1, 3, 12, 24]);
});

test('a seed gives the same picture again, and another sampler another one', async () => {
  const paint = (scheduler?: string) => pipeline({ seed: 5, numInferenceSteps: 4, scheduler });
  const first = await paint();
  expect(await paint()).toEqual(first);
  expect((await paint('euler')).pixels).not.toEqual(first.pixels);
});

test('what makes no sense is refused', async () => {
  await expect(pipeline({ batchSize: 0 })).rejects.toThrow('batchSize is 0. Give an integer of at least 1.');
  await expect(pipeline({ width: 7.5 })).rejects.toThrow('width is 7.5. Give an integer of at least 1.');
  await expect(pipeline({ latents: zeros([1, 4, 16, 16]) })).rejects.toThrow(
    'latents are [1, 4, 16, 16]; for this model, size and number of pictures they must be [1, 3, 16, 16].',
  );
  await expect(pipeline({ classLabels: 1 })).rejects.toThrow(
    'unet: this model takes no "classLabels". Leave it out.',
  );
});
