import { expect, test } from 'vitest';
import { ShapeError } from './errors.ts';
import { toFloat16 } from './float16.ts';
import { HalfTensor, reshape } from './half-tensor.ts';
import { tensor } from './tensor.ts';

const values = Float32Array.of(0, -0, 1, -2.5, 2 ** -24, 65504);
const upperHalves = (floats: Float32Array) =>
  Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);

test('the data of a tensor in halves are its elements, and take the place of the halves', () => {
  const halves = toFloat16(values);
  const half = new HalfTensor(halves, [2, 3], 'float16');
  expect(half.halves).toBe(halves);
  expect(half.data).toEqual(values);
  expect(half.data).toBe(half.data);
  expect(half.halves).toBeUndefined();
  const brain = Float32Array.of(1, -2.5, 3 * 2 ** 100, 2 ** -126, 0, -0);
  expect(new HalfTensor(upperHalves(brain), [6], 'bfloat16').data).toEqual(brain);
});

test('reshape keeps the elements where they are', () => {
  const halves = toFloat16(values);
  const half = new HalfTensor(halves, [6], 'float16');
  const other = reshape(half, [3, 2]);
  expect(other instanceof HalfTensor && other.halves).toBe(halves);
  expect(other.dims).toEqual([3, 2]);
  const widened = half.data;
  expect(reshape(half, [3, 2]).data).toBe(widened);
  const plain = tensor(values, [6]);
  expect(reshape(plain, [2, 3])).toEqual(tensor(values, [2, 3]));
  expect(reshape(plain, [2, 3]).data).toBe(values);
});

test('dims that do not fit are refused', () => {
  expect(() => new HalfTensor(new Uint16Array(3), [2], 'float16')).toThrow(ShapeError);
  expect(() => reshape(tensor(values, [6]), [4])).toThrow(
    'reshape: [4] are not the 6 elements of [6]. Give dimensions that multiply to as many.',
  );
});
