import { HalfTensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { allFinite } from './all-finite.ts';

test.each(['float16', 'bfloat16'] as const)('each %s is a number or none, wherever it stands', (format) => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const { data } = new HalfTensor(all.slice(), [65536], format);
  const wrong = [...all].filter((bits) => {
    // In either half of a word, in one that is not full, and in one that does not lie where words do.
    const places = [[0, bits], [bits, 0], [bits]].map((values) => Uint16Array.from(values));
    const shifted = Uint16Array.of(0x7fff, bits, 1).subarray(1);
    return [...places, shifted].some(
      (halves) => allFinite(new HalfTensor(halves, [halves.length], format)) !== Number.isFinite(data[bits]),
    );
  });
  expect(wrong).toEqual([]);
});

test('numbers are told from what is none', () => {
  const numbers = [0, -0, 1, -1e-45, 3.4e38, -3.4e38];
  expect(allFinite(tensor(numbers, [6]))).toBe(true);
  expect(allFinite(tensor([], [0]))).toBe(true);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    for (const place of [0, 3, 6])
      expect(allFinite(tensor(numbers.toSpliced(place, 0, value), [7])), `${value} at ${place}`).toBe(false);
});
