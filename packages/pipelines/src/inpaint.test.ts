/// <reference types="node" />
import { fileURLToPath } from 'node:url';
import type { RgbImage } from '@emulsion/image';
import type { Device } from '@emulsion/runtime';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { cpuOps, createRng, type Tensor, tensor } from '@emulsion/tensor';
import { loadUnet } from '@emulsion/unet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type InpaintOptions, inpaint } from './inpaint.ts';
import { instructPix2Pix } from './instruct-pix2pix.ts';
import { loadPipeline, type StableDiffusionPipeline } from './load-pipeline.ts';
import { paintAs, pipelineClasses } from './pipeline-classes.ts';
import { textToImage } from './text-to-image.ts';

const models = fileURLToPath(new URL('../../../fixtures/golden/open/models', import.meta.url));
let device: Device;
let pipeline: StableDiffusionPipeline;
beforeAll(async () => {
  device = await createDevice('cpu');
  const loaded = await loadPipeline(`${models}/sd1`, { device });
  if (!('unet' in loaded)) throw new Error('The model has a U-Net.');
  pipeline = loaded;
});
afterAll(async () => {
  await pipeline.dispose();
  await device.dispose();
});

const size = 64;
const image = cpuOps.clamp(
  cpuOps.affine(createRng({ kind: 'torch-cpu', seed: 3 }).normal([1, 3, size, size]), 0.2, 0.5),
  0,
  1,
);
/** Painted is a square of 16 pixels, from 24 on in both directions. */
const isMasked = (y: number, x: number) => y >= 24 && y < 40 && x >= 24 && x < 40;
const maskImage = tensor(
  Float32Array.from({ length: size * size }, (_, i) => (isMasked(Math.floor(i / size), i % size) ? 1 : 0)),
  [1, 1, size, size],
);
const options: InpaintOptions = {
  prompt: 'a cat',
  image,
  maskImage,
  numInferenceSteps: 3,
  seed: 0,
  scheduler: 'euler_a',
};
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('outside of the mask the latents are those of the picture, whatever the sampler', async () => {
  const { mean, logvar } = await pipeline.vae.encode(cpuOps.affine(image, 2, -1));
  const drawn = createRng({ kind: 'torch-cpu', seed: 0 }).normal(mean.dims);
  const z = cpuOps.combine([1, mean], [1, cpuOps.multiply(cpuOps.exp(cpuOps.affine(logvar, 0.5, 0)), drawn)]);
  const expected = pipeline.vae.toLatents(z);
  for (const scheduler of ['euler_a', 'dpm++2m', 'heun', 'dpm_adaptive']) {
    const { latents } = await pipeline({ ...options, scheduler });
    expect(latents.dims).toEqual([1, 4, 8, 8]);
    let changed = 0;
    for (const [i, value] of latents.data.entries()) {
      if (isMasked(8 * Math.floor((i % 64) / 8), 8 * (i % 8))) changed += Math.abs(value - expected.data[i]!);
      else expect(value).toBeCloseTo(expected.data[i]!, 5);
    }
    expect(changed).toBeGreaterThan(1);
  }
});

test('a margin and a soft edge leave every pixel alone that is out of their reach', async () => {
  for (const change of [{ paddingMaskCrop: 4 }, { maskBlur: 2 }, { paddingMaskCrop: 8, maskBlur: 1.5 }]) {
    const { pixels, images } = await pipeline({ ...options, ...change });
    expect(pixels.dims).toEqual([1, 3, size, size]);
    let changed = 0;
    for (const [i, value] of pixels.data.entries()) {
      const [y, x] = [Math.floor(i / size) % size, i % size];
      const reach = Math.floor(2.5 * (change.maskBlur ?? 0) + 0.5);
      const near = y >= 24 - reach && y < 40 + reach && x >= 24 - reach && x < 40 + reach;
      if (near) changed += Math.abs(value - image.data[i]!);
      else expect(value).toBe(image.data[i]);
    }
    expect(changed).toBeGreaterThan(1);
    expect(images[0]).toMatchObject({ width: size, height: size });
  }
});

test('latents are given as they were painted, with a margin and a soft edge too', async () => {
  for (const change of [{ paddingMaskCrop: 4 }, { maskBlur: 2 }]) {
    const { latents } = await pipeline({ ...options, ...change });
    const result = await pipeline({ ...options, ...change, outputType: 'latent' });
    expect(result.latents).toEqual(latents);
    expect(result.pixels.dims).toEqual([0, 3, size, size]);
    expect(result.images).toEqual([]);
  }
});

test('the masked part is painted in the size that is asked for', async () => {
  const { latents, pixels } = await pipeline({ ...options, paddingMaskCrop: 0, width: 32, height: 48 });
  expect(latents.dims).toEqual([1, 4, 6, 4]);
  expect(pixels.dims).toEqual([1, 3, size, size]);
});

test('a mask in bytes is its luminance, of which a half and more is painted', async () => {
  const grey = (value: number) => [value, value, value];
  const bytes: RgbImage = {
    width: size,
    height: size,
    channels: 3,
    data: Uint8Array.from([...maskImage.data].flatMap((value) => grey(value === 1 ? 200 : 100))),
  };
  expect((await pipeline({ ...options, maskImage: bytes })).latents).toEqual(
    (await pipeline(options)).latents,
  );
});

test('with a seed for each picture each is the one that its seed gives alone', async () => {
  const both = await pipeline({ ...options, strength: 0.7, seed: [4, 5], numImagesPerPrompt: 2 });
  const alone = await pipeline({ ...options, strength: 0.7, seed: 5 });
  expect(worst(alone.pixels, cpuOps.slice(both.pixels, 1, 2))).toBeLessThan(1e-4);
});

test.each<[Partial<InpaintOptions>, string]>([
  [
    { maskImage: tensor(new Float32Array(64), [1, 1, 8, 8]) },
    'maskImage is [1, 1, 8, 8]; for this picture it must be [batch, 1, 64, 64]. Resize it.',
  ],
  [{ maskBlur: -1 }, 'maskBlur is -1. Give a number of pixels from 0.'],
  [{ strength: 0 }, 'strength is 0. Give a number above 0 and at most 1; 1 keeps nothing of the picture.'],
  [{ width: 60 }, "width is 60; this model's autoencoder makes multiples of 8. 64 is the nearest."],
])('%o is refused with what is wanted', async (change, message) => {
  await expect(pipeline({ ...options, ...change })).rejects.toThrow(message);
});

test('networks that see a picture are not used without one, nor others in their place', async () => {
  const unet = async (family: string) =>
    loadUnet((await openFolder(`${models}/${family}`)).subfolder('unet'), { device });
  const [masking, instructed] = [await unet('inpaint9'), await unet('ip2p')];
  await expect(textToImage({ ...pipeline, unet: masking }, options)).rejects.toThrow(
    'unet: it takes 9 channels, and for this task there are 4. A model for inpainting wants image and maskImage, one for instructions image.',
  );
  await expect(inpaint({ ...pipeline, unet: instructed }, options)).rejects.toThrow(
    'unet: it takes 8 channels; for inpainting 4 or 9 are wanted. Use another model.',
  );
  await expect(instructPix2Pix(pipeline, { prompt: 'make it red', image })).rejects.toThrow(
    'unet: it takes 4 channels; to be instructed about a picture, 8 are wanted. Use an InstructPix2Pix model.',
  );
  const instructs = pipelineClasses.get('StableDiffusionInstructPix2PixPipeline')!;
  const parts = { ...pipeline, unet: instructed };
  await expect(paintAs(instructs, parts, { prompt: 'a cat' })).rejects.toThrow(
    'image: this pipeline changes a picture. Give one.',
  );
  await expect(paintAs(instructs, parts, options)).rejects.toThrow(
    'maskImage: this pipeline takes no mask. Leave it out.',
  );
  const steps: number[] = [];
  const edit = { prompt: 'make it red', image, scheduler: 'euler', onStep: () => void steps.push(0) };
  await paintAs(instructs, parts, { ...edit, numInferenceSteps: 2 });
  expect(steps).toHaveLength(2);
  for (const part of [masking, instructed]) await part.dispose();
});
