import { expect, test } from 'vitest';
import { fromFloat16, toFloat16 } from './float16.ts';

test('every finite half survives the round trip through float32', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => (half & 0x7c00) !== 0x7c00);
  expect(toFloat16(fromFloat16(bits))).toEqual(bits);
});

test('values between two halves round to the nearest, ties to even', () => {
  const half = (value: number) => fromFloat16(toFloat16(Float32Array.of(value)))[0];
  expect(half(1 + 2 ** -11)).toBe(1);
  expect(half(1 + 3 * 2 ** -11)).toBe(1 + 2 ** -9);
  expect(half(2049)).toBe(2048);
  expect(half(65519)).toBe(65504);
  expect(half(65520)).toBe(Number.POSITIVE_INFINITY);
  expect(half(-3 * 2 ** -26)).toBe(-(2 ** -24));
  expect(half(2 ** -25)).toBe(0);
  expect(half(Number.NaN)).toBeNaN();
  expect(half(Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
});
