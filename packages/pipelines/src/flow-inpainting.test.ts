import { openSafetensors, readTensor } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { cpuOps, type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let recorded: (name: string) => Promise<Tensor>;
beforeAll(async () => {
  device = await createTestDevice();
  const folder = await openFixture('flow-inpainting');
  const weights = await openSafetensors(folder, 'expected.safetensors');
  recorded = (name) => readTensor(folder, weights.get(name)!);
});
afterAll(() => device.dispose());

describe.each(['sd3', 'flux'])('%s', (model) => {
  let pipeline: Pipeline;
  let request: {
    readonly prompt: string;
    readonly image: Tensor;
    readonly numInferenceSteps: number;
    readonly seed: number;
    readonly maxSequenceLength: number;
  };
  let maskImage: Tensor;
  beforeAll(async () => {
    pipeline = await loadPipeline(await openFixture(`golden/open/models/${model}`), { device });
    const image = await recorded('picture');
    request = { prompt: 'a photo of a cat', image, numInferenceSteps: 4, seed: 7, maxSequenceLength: 64 };
    maskImage = await recorded('mask');
  });
  afterAll(() => pipeline.dispose());

  test.each([0.6, 1])('paints what diffusers does at strength %f', async (strength) => {
    const expected = await recorded(`${model}.${strength.toFixed(1)}`);
    const { latents } = await pipeline({ ...request, maskImage, strength, guidanceScale: 5 });
    expect(latents.dims).toEqual(expected.dims);
    const worst = Math.max(...latents.data.map((value, i) => Math.abs(value - expected.data[i]!)));
    expect(worst).toBeLessThan(1e-3);
  });

  test('a soft edge leaves the rest of the picture as it is, and of a part only that is painted', async () => {
    const { image } = request;
    const soft = await pipeline({ ...request, maskImage, maskBlur: 1 });
    const crop = { paddingMaskCrop: 0, width: 32, height: 64 };
    const part = await pipeline({ ...request, maskImage, ...crop });
    for (const { pixels } of [soft, part]) {
      expect(pixels.dims).toEqual(image.dims);
      const changes = pixels.data.map((value, i) => Math.abs(value - image.data[i]!));
      const at = (y: number, x: number) => changes[y * 32 + x]!;
      expect(at(2, 2)).toBe(0);
      expect(at(45, 30)).toBe(0);
      expect(at(24, 20)).toBeGreaterThan(0);
    }
  });

  test('a picture is widened', async () => {
    const { image } = request;
    const { pixels } = await pipeline({ ...request, expand: { right: 16 }, strength: 1, maskBlur: 0.1 });
    expect(pixels.dims).toEqual([1, 3, 48, 48]);
    const old = cpuOps.slice(pixels, 0, 16, 3);
    expect(old).toEqual(cpuOps.slice(image, 0, 16, 3));
  });

  test('masks without a picture, of another size or beside what says itself where to paint are refused', async () => {
    const { image, ...words } = request;
    await expect(pipeline({ ...words, maskImage })).rejects.toThrow(
      'maskImage: there is no picture that it masks. Give image too.',
    );
    await expect(pipeline({ ...words, expand: { top: 16 } })).rejects.toThrow(
      'expand: there is no picture to widen. Give image too.',
    );
    await expect(pipeline({ ...request, maskImage, expand: { top: 16 } })).rejects.toThrow(
      'expand: it says itself what is painted. Leave maskImage or expand out.',
    );
    const small = tensor([1], [1, 1, 1, 1]);
    await expect(pipeline({ ...request, maskImage: small })).rejects.toThrow(
      'maskImage is [1, 1, 1, 1]; for this picture it must be [batch, 1, 48, 32]. Resize it.',
    );
    await expect(pipeline({ ...request, expand: { top: 8 } })).rejects.toThrow(
      'height is 56. Give a multiple of 16, in pixels.',
    );
  });
});
