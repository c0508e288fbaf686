import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { imageToTensor, tensorToImages } from './rgb-image.ts';

test('a tensor becomes pictures and a picture the same tensor', () => {
  const pixels = tensor(
    Float32Array.from({ length: 2 * 3 * 6 }, (_, i) => (i * 7) / 255),
    [2, 3, 2, 3],
  );
  const images = tensorToImages(pixels);
  expect(images.map(({ width, height }) => [width, height])).toEqual([
    [3, 2],
    [3, 2],
  ]);
  expect([...images[0]!.data.slice(0, 3)]).toEqual([0, 42, 84]);
  expect(imageToTensor(images[1]!).data).toEqual(pixels.data.slice(18));
});

test('values are clipped and rounded, halves to the even byte', () => {
  const row = (values: number[]) => tensor([...values, ...values, ...values], [1, 3, 1, values.length]);
  const [image] = tensorToImages(row([-1, 2, 0.5 / 255, 1.5 / 255, 0.6 / 255]));
  expect([...image!.data].filter((_, i) => i % 3 === 0)).toEqual([0, 255, 0, 2, 1]);
});

test('an alpha channel is left out', () => {
  const data = Uint8Array.of(255, 0, 0, 9);
  expect([...imageToTensor({ width: 1, height: 1, channels: 4, data }).data]).toEqual([1, 0, 0]);
});

test('a tensor of another shape, or one with NaN, is refused', () => {
  expect(() => tensorToImages(tensor([1, 1], [1, 2, 1, 1]))).toThrow(
    'image: a tensor of [1, 2, 1, 1] is no batch of pictures. [batch, 3, height, width] is wanted.',
  );
  expect(() => tensorToImages(tensor([0, Number.NaN, 0], [1, 3, 1, 1]))).toThrow('image: an element is NaN.');
});
