import { type Folder, memoryFolder, openSafetensors, readJson, readTensor } from '@emulsion/checkpoints';
import type { RgbImage } from '@emulsion/image';
import type { Device } from '@emulsion/runtime';
import { type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clipPixels } from './clip-pixels.ts';
import { parseClipVisionConfig } from './clip-vision-config.ts';
import { type ImageEncoder, loadImageEncoder } from './load-image-encoder.ts';

let device: Device;
let recorded: Folder;
let stored: Folder;
let encoder: ImageEncoder;
beforeAll(async () => {
  device = await createTestDevice();
  recorded = await openFixture('image-adapters');
  stored = recorded.subfolder('image_encoder');
  encoder = await loadImageEncoder(stored, { device });
});
afterAll(() => device.dispose());

async function expected(name: string): Promise<Tensor> {
  const weights = await openSafetensors(recorded, 'expected.safetensors');
  return readTensor(recorded, weights.get(name)!);
}

async function picture(name: string): Promise<RgbImage> {
  const { dims, data } = await expected(`encoder.${name}.picture`);
  return { height: dims[0]!, width: dims[1]!, channels: 3, data: Uint8Array.from(data) };
}

function expectClose(actual: Tensor, wanted: Tensor, tolerance: number): void {
  expect(actual.dims).toEqual(wanted.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - wanted.data[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}

test.each(['wide', 'high'])(
  'a %s picture is resized, cut and encoded as transformers does it',
  async (name) => {
    expect(encoder.unusedWeights).toEqual([]);
    const image = await picture(name);
    // One byte of the resized picture is 0.015 here.
    expectClose(clipPixels(image, 24), await expected(`encoder.${name}.pixel_values`), 1e-5);
    const { imageEmbeds, hiddenState } = await encoder.encode(image);
    expectClose(imageEmbeds, await expected(`encoder.${name}.image_embeds`), 1e-4);
    expectClose(hiddenState, await expected(`encoder.${name}.hidden_state`), 1e-4);
  },
);

test('what is normalized already is encoded as it is', async () => {
  const { hiddenState } = await encoder.encode(zeros([1, 3, 24, 24]));
  expectClose(hiddenState, await expected('encoder.zeros.hidden_state'), 1e-4);
  await expect(encoder.encode(zeros([1, 3, 24, 32]))).rejects.toThrow(
    'image encoder: the pictures are [1, 3, 24, 32], this model takes [any, 3, 24, 24]. Give bytes, which are resized, or such a tensor.',
  );
});

test('alpha is left out', async () => {
  const opaque = await picture('wide');
  const data = new Uint8Array(4 * opaque.width * opaque.height);
  for (const [i, value] of opaque.data.entries()) data[4 * Math.floor(i / 3) + (i % 3)] = value;
  expect(clipPixels({ ...opaque, channels: 4, data }, 24)).toEqual(clipPixels(opaque, 24));
});

test('a configuration of another model is refused', async () => {
  const config = (await readJson(stored, 'config.json')) as Record<string, unknown>; // an object, as in every model
  const parse = (changes: Record<string, unknown>) => () =>
    parseClipVisionConfig('image encoder', { ...config, ...changes });
  expect(parse({ architectures: ['SiglipVisionModel'] })).toThrow(
    'image encoder: "architectures" in its config.json is ["SiglipVisionModel"]; CLIPVisionModelWithProjection, CLIPVisionModel, CLIPModel are supported.',
  );
  expect(parse({ num_attention_heads: 3 })).toThrow('16 channels do not divide into as many.');
  expect(parse({ patch_size: 48 })).toThrow('a number from 1 to image_size, 24, is wanted.');
  expect(parseClipVisionConfig('image encoder', { vision_config: { image_size: 336 } }).imageSize).toBe(336);
});

test('a weight that is missing is named', async () => {
  const folder = memoryFolder({
    'config.json': JSON.stringify({
      ...((await readJson(stored, 'config.json')) as Record<string, unknown>), // an object, as in every model
      num_hidden_layers: 3,
    }),
    'model.safetensors': await stored.read('model.safetensors'),
  });
  await expect(loadImageEncoder(folder, { device })).rejects.toThrow(
    'image encoder: the checkpoint has no weight "vision_model.encoder.layers.2.layer_norm1.weight".',
  );
});
