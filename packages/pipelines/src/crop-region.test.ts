import { tensor, zeros } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { cropRegion } from './crop-region.ts';

/** A mask of 20×10 pixels with a rectangle in it. */
function maskWith(top: number, bottom: number, left: number, right: number) {
  const data = new Float32Array(200);
  for (let y = top; y < bottom; y++) data.fill(1, 20 * y + left, 20 * y + right);
  return tensor(data, [1, 1, 10, 20]);
}
const square = { width: 64, height: 64 };

test.each([
  // A rectangle is made as high as it is wide, then as wide as it is high.
  [maskWith(4, 6, 5, 9), 0, square, { top: 3, bottom: 7, left: 5, right: 9 }],
  [maskWith(2, 8, 5, 7), 0, square, { top: 2, bottom: 8, left: 3, right: 9 }],
  [maskWith(4, 6, 5, 9), 1, square, { top: 2, bottom: 8, left: 4, right: 10 }],
  // At the edge it moves inwards.
  [maskWith(0, 1, 0, 4), 0, square, { top: 0, bottom: 4, left: 0, right: 4 }],
  [maskWith(9, 10, 16, 20), 0, square, { top: 6, bottom: 10, left: 16, right: 20 }],
  // Where the picture ends it is no longer of the proportions.
  [maskWith(4, 6, 2, 18), 3, square, { top: 0, bottom: 10, left: 0, right: 20 }],
  [maskWith(4, 6, 5, 7), 0, { width: 128, height: 64 }, { top: 4, bottom: 6, left: 4, right: 8 }],
])('the region has what is masked, its margin and the proportions (%#)', (mask, padding, target, region) => {
  expect(cropRegion(mask, padding, target)).toEqual(region);
});

test('a mask of nothing and a margin that is no number of pixels are refused', () => {
  expect(() => cropRegion(zeros([1, 1, 10, 20]), 0, square)).toThrow(
    'maskImage: nothing is masked. Give 1 where the picture is painted.',
  );
  expect(() => cropRegion(maskWith(4, 6, 5, 7), -1, square)).toThrow(
    'paddingMaskCrop is -1. Give a whole number of pixels from 0.',
  );
});
