import { type Tensor, tensor, zeros } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { BandedPicture, paste } from './banded-picture.ts';
import { tilesOf } from './tiles.ts';

const picture: Tensor = tensor(
  Float32Array.from({ length: 2 * 5 * 7 }, (_, i) => i),
  [1, 2, 5, 7],
);

/** The picture in two bands. */
function banded(): BandedPicture {
  const bands = new BandedPicture(2, 7);
  for (const [start, end] of [
    [0, 2],
    [2, 5],
  ] as const) {
    const rows = Array.from({ length: 2 }, (_, c) => [
      ...picture.data.subarray((c * 5 + start) * 7, (c * 5 + end) * 7),
    ]);
    bands.add(tensor(rows.flat(), [1, 2, end - start, 7]));
  }
  return bands;
}

test('bands make the whole picture, and parts that reach over several', () => {
  const bands = banded();
  expect(bands.toTensor()).toEqual(picture);
  const part = new Float32Array(2 * 2 * 3);
  bands.cut({ start: 1, end: 3 }, { start: 4, end: 7 }, part);
  expect([...part]).toEqual([11, 12, 13, 18, 19, 20, 46, 47, 48, 53, 54, 55]);
});

test('bands that were given up are gone, and the others stay', () => {
  const bands = banded();
  const more = new BandedPicture(2, 7);
  const top = more.grow(1);
  more.grow(1).data.fill(1);
  more.release(1);
  expect(top.data).toHaveLength(0);
  expect(more.height).toBe(2);
  const part = new Float32Array(2);
  more.cut({ start: 1, end: 2 }, { start: 0, end: 1 }, part);
  expect([...part]).toEqual([1, 1]);
  bands.release(1);
  expect(bands.toTensor()).toEqual(picture);
});

test('the memory of somebody else is left alone', () => {
  const bands = new BandedPicture(2, 7);
  bands.add(picture);
  bands.release(5);
  expect(picture.data).toHaveLength(70);
});

test('what is cut out and pasted side by side is the picture again', () => {
  const bands = banded();
  const again = new BandedPicture(2, 7);
  for (const { inner: rows } of tilesOf(5, 2, 1)) {
    const band = again.grow(rows.end - rows.start);
    for (const { inner: columns } of tilesOf(7, 3, 1)) {
      const part = zeros([1, 2, rows.end - rows.start, columns.end - columns.start]);
      bands.cut(rows, columns, part.data);
      paste(band, part, columns.start);
    }
  }
  expect(again.toTensor()).toEqual(picture);
});
