import { openSafetensors, readTensor } from '@emulsion/checkpoints';
import { openFixture } from '@emulsion/testing';
import { expect, test } from 'vitest';
import { resizeImage } from './resize-image.ts';
import type { RgbImage } from './rgb-image.ts';

/** A picture of fixtures/image-adapters. */
async function picture(name: string): Promise<RgbImage> {
  const folder = await openFixture('image-adapters');
  const weights = await openSafetensors(folder, 'expected.safetensors');
  const { dims, data } = await readTensor(folder, weights.get(name)!);
  return { height: dims[0]!, width: dims[1]!, channels: 3, data: Uint8Array.from(data, Number) };
}

test.each(['smaller', 'larger', 'narrow'])(
  'a picture that becomes %s is Pillow’s to the byte',
  async (name) => {
    const expected = await picture(`resize.${name}`);
    const resized = resizeImage(await picture('encoder.wide.picture'), expected);
    expect(resized).toEqual(expected);
  },
);

test('a picture of the same size stays as it is, and alpha is resized as colours are', () => {
  const data = Uint8Array.from({ length: 4 * 4 * 4 }, (_, i) => (i * 37) % 256);
  const image: RgbImage = { width: 4, height: 4, channels: 4, data };
  expect(resizeImage(image, { width: 4, height: 4 })).toEqual(image);
  const grey: RgbImage = { ...image, data: data.map((_, i) => data[i - (i % 4)]!) };
  const smaller = resizeImage(grey, { width: 3, height: 2 });
  expect(smaller.data).toHaveLength(4 * 3 * 2);
  for (let i = 0; i < smaller.data.length; i++) expect(smaller.data[i]).toBe(smaller.data[i - (i % 4)]);
});

test('a size that is none is refused', () => {
  const image: RgbImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
  expect(() => resizeImage(image, { width: 0, height: 2 })).toThrow(
    'resizeImage: the size is 0 x 2. Give integers of at least 1.',
  );
});
