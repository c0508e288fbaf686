import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { assertClose } from './assert-close.ts';

const compare = (actual: number[], expected: number[], atol = 0, rtol = 0, dims = [expected.length]) =>
  assertClose('out', tensor(actual, [actual.length]), tensor(expected, dims), { atol, rtol });

test('elements within atol + rtol times the recorded value are close', () => {
  compare([1, -100], [1.0625, -100.5], 0.0625, 0.005);
  expect(() => compare([1], [1.125], 0.0625)).toThrow();
  expect(() => compare([-100], [-101], 0, 0.005)).toThrow();
});

test('the message has the worst element, its place, and what is allowed there', () => {
  const actual = tensor([0, 0, 1, 0, 8, 0], [2, 3]);
  const expected = tensor([0, 0, 0, 0, 4, 0], [2, 3]);
  expect(() => assertClose('out', actual, expected, { atol: 0.5, rtol: 0.125 })).toThrow(
    'out: 2 of 6 elements are off; at [1, 1] it is 8 instead of 4, a difference of 4.00 where 1.00 is allowed',
  );
});

test('NaN and infinities are close to themselves alone', () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  compare([nan, infinity, -infinity], [nan, infinity, -infinity]);
  for (const [actual, expected] of [
    [nan, 0],
    [0, nan],
    [infinity, 0],
    [0, infinity],
    [infinity, -infinity],
    [nan, infinity],
  ]) {
    expect(() => compare([actual!], [expected!], 1e9, 1e9)).toThrow('1 of 1 elements are off');
  }
});

test('other dims are not close, whatever the values', () => {
  expect(() => compare([1, 2], [1, 2], 0, 0, [1, 2])).toThrow('out: dims are [2] instead of [1, 2]');
});

test('64-bit integers are compared without rounding', () => {
  const big = (value: bigint) => tensor(BigInt64Array.of(value), [1]);
  assertClose('out', big(2n ** 60n), big(2n ** 60n), { atol: 0, rtol: 0 });
  expect(() => assertClose('out', big(2n ** 60n), big(2n ** 60n + 1n), { atol: 0, rtol: 0 })).toThrow();
});
