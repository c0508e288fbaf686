import { expect, test } from 'vitest';
import { cosFloat32, logFloat32, sinFloat32 } from './cephes-float32.ts';

/** The largest difference, over arguments from 0 to `end`, in units of 2^-24 of the result or of 1 if that is more. */
function worst(end: number, approximate: (x: number) => number, exact: (x: number) => number): number {
  let error = 0;
  for (let i = 1; i <= 10_000; i++) {
    const x = Math.fround((i / 10_000) * end);
    const wanted = exact(x);
    error = Math.max(error, Math.abs(approximate(x) - wanted) / Math.max(Math.abs(wanted), 1));
  }
  return error * 2 ** 24;
}

test('logarithm, sine and cosine are right to two units in the last place', () => {
  expect(worst(1, logFloat32, Math.log)).toBeLessThan(2);
  expect(worst(2 * Math.PI, sinFloat32, Math.sin)).toBeLessThan(2);
  expect(worst(2 * Math.PI, cosFloat32, Math.cos)).toBeLessThan(2);
});

test('results are float32 values', () => {
  for (const x of [0.1, 0.7, 0.9, 1].map(Math.fround)) {
    for (const result of [logFloat32(x), sinFloat32(x), cosFloat32(x)])
      expect(Math.fround(result)).toBe(result);
  }
});
