import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { rotaryTables } from './rotary-positions.ts';

/** A vector turned by the row of the tables that belongs to one position of one axis. */
function turned(vector: readonly number[], position: number): number[] {
  const { cosines, sines } = rotaryTables(tensor([position], [1, 1]), [vector.length]);
  return vector.map((value, i) => value * cosines.data[i]! + vector[i ^ 1]! * sines.data[i]!);
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);

test('position 0 turns nothing', () => {
  expect(turned([1, 2, 3, 4], 0)).toEqual([1, 2, 3, 4]);
});

test('what two turned vectors have in common depends on the distance of their positions alone', () => {
  const [a, b] = [
    [1, 2, 3, 4],
    [0.5, -1, 2, 0.25],
  ];
  const near = dot(turned(a!, 3), turned(b!, 5));
  expect(dot(turned(a!, 103), turned(b!, 105))).toBeCloseTo(near, 4);
  expect(dot(turned(a!, 3), turned(b!, 6))).not.toBeCloseTo(near, 2);
});

test('each axis has its own positions and channels', () => {
  const { cosines, sines } = rotaryTables(tensor([0, 1], [1, 2]), [2, 4]);
  expect(cosines.dims).toEqual([1, 1, 1, 6]);
  const expected = [1, 1, Math.cos(1), Math.cos(1), Math.cos(0.01), Math.cos(0.01)];
  expect([...cosines.data]).toEqual(expected.map(Math.fround));
  expect([...sines.data].slice(0, 4)).toEqual([-0, 0, Math.fround(-Math.sin(1)), Math.fround(Math.sin(1))]);
});

test('positions without all axes are refused', () => {
  expect(() => rotaryTables(tensor([0, 1], [1, 2]), [2, 2, 2])).toThrow(
    'transformer: positions are [1, 2], this model takes [tokens, 3].',
  );
});
