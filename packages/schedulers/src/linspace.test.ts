import { expect, test } from 'vitest';
import { linspace, linspaceFloat32 } from './linspace.ts';

test('both ends are exact, and a single step is the start', () => {
  expect(linspace(0, 999, 10)).toEqual([0, 111, 222, 333, 444, 555, 666, 777, 888, 999]);
  expect(linspace(0.1, 0.7, 4).at(-1)).toBe(0.7);
  expect(linspace(3, 7, 1)).toEqual([3]);
  expect([...linspaceFloat32(3, 7, 1)]).toEqual([3]);
});

test('the float32 variant is symmetric about its middle, as torch.linspace is', () => {
  const values = linspaceFloat32(-6, 6, 1000);
  for (const [i, value] of values.entries()) expect(value).toBe(-values[999 - i]!);
});
