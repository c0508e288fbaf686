import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { gaussianBlur } from './gaussian-blur.ts';

// numpy 2.4: np.convolve of [0, 1, 0, 0, 0], padded by 'reflect', with the window of sigma 1
const blurred = [0.484072, 0.453056, 0.246469, 0.054006, 0.008866];

test('a point becomes a bell, mirrored at the edge, along both axes', () => {
  const row = gaussianBlur(tensor([0, 1, 0, 0, 0], [1, 1, 1, 5]), 1);
  const column = gaussianBlur(tensor([0, 1, 0, 0, 0], [1, 1, 5, 1]), 1);
  for (const [i, value] of blurred.entries()) {
    expect(row.data[i]).toBeCloseTo(value, 5);
    expect(column.data[i]).toBeCloseTo(value, 5);
  }
});

test('what is even stays even, planes stay apart, and 0 changes nothing', () => {
  const planes = tensor([...Array(12).fill(1), ...Array(12).fill(3)], [2, 1, 3, 4]);
  const soft = gaussianBlur(planes, 2.5);
  for (const [i, value] of soft.data.entries()) expect(value).toBeCloseTo(i < 12 ? 1 : 3, 5);
  expect(gaussianBlur(planes, 0)).toBe(planes);
});
