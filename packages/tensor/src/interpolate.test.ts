import { expect, test } from 'vitest';
import { InvalidArgumentError, ShapeError } from './errors.ts';
import { interpolate, interpolationModes } from './interpolate.ts';
import { tensor } from './tensor.ts';

const ramp = tensor([0, 1, 2, 3, 4, 5], [1, 1, 2, 3]);

test('the same size leaves a tensor as it is, in every mode', () => {
  for (const mode of interpolationModes) expect(interpolate(ramp, 2, 3, mode)).toEqual(ramp);
});

test('height and width are not mixed up', () => {
  expect(interpolate(ramp, 4, 3, 'nearest').dims).toEqual([1, 1, 4, 3]);
  expect([...interpolate(ramp, 4, 3, 'nearest').data]).toEqual([0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
});

test('torch gives the same numbers', () => {
  // torch.nn.functional.interpolate(torch.arange(4.).view(1, 1, 1, 4), size=(1, 6), mode=...)
  const row = tensor([0, 1, 2, 3], [1, 1, 1, 4]);
  const resized = (mode: (typeof interpolationModes)[number]) =>
    [...interpolate(row, 1, 6, mode).data].map((value) => Math.round(value * 1e4) / 1e4);
  expect(resized('nearest')).toEqual([0, 0, 1, 2, 2, 3]);
  expect(resized('nearest-exact')).toEqual([0, 1, 1, 2, 3, 3]);
  expect(resized('bilinear')).toEqual([0, 0.5, 1.1667, 1.8333, 2.5, 3]);
  expect(resized('bicubic')).toEqual([-0.0868, 0.4063, 1.213, 1.787, 2.5938, 3.0868]);
});

test('sizes that are none and tensors without a picture are refused', () => {
  expect(() => interpolate(ramp, 0, 3, 'nearest')).toThrow(InvalidArgumentError);
  expect(() => interpolate(ramp, 0, 3, 'nearest')).toThrow(
    'interpolate: the size is 0 x 3. Give integers of at least 1.',
  );
  expect(() => interpolate(tensor([1], [1]), 1, 1, 'nearest')).toThrow(ShapeError);
});
