import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { mergeBias, mergeWeight } from './merge-change.ts';
import type { FullChange, LowRankChange } from './module-change.ts';
import { at, randomTensors, sum } from './testing/adapter-file.ts';

const random = randomTensors(3);
const base = random(6, 4);
const lowRank = (rank: number): LowRankChange => ({
  form: 'low-rank',
  down: random(rank, 4),
  up: random(6, rank),
});
/** A change that depends on the weight: its square, element by element. */
const square: FullChange = {
  form: 'full',
  needsBase: true,
  delta: ({ data, dims }) =>
    tensor(
      data.map((value) => value ** 2),
      dims,
    ),
};
const bits = ({ data }: Tensor) => new Uint32Array(data.slice().buffer);

test('strength 0 leaves a weight as it is, bit by bit', () => {
  const odd = tensor([-0, 1e-45, 3e38, -1], [2, 2]);
  const infinite: FullChange = { ...square, delta: () => tensor([1 / 0, 0, 0, 0], [2, 2]) };
  expect(bits(mergeWeight(odd, [[infinite, 0]]))).toEqual(bits(odd));
  expect(bits(mergeWeight(odd, []))).toEqual(bits(odd));
  const unchanged = mergeWeight(base, [
    [lowRank(2), 0],
    [square, -0],
  ]);
  expect(bits(unchanged)).toEqual(bits(base));
  expect(unchanged.data).not.toBe(base.data);
});

test('two changes commute, bit by bit', () => {
  const [a, b] = [lowRank(3), lowRank(5)];
  for (const change of [b, square]) {
    const forth = mergeWeight(base, [
      [a, 0.7],
      [change, -1.3],
    ]);
    const back = mergeWeight(base, [
      [change, -1.3],
      [a, 0.7],
    ]);
    expect(bits(forth)).toEqual(bits(back));
  }
});

test('changes are added by their strengths, each to the weight as it was', () => {
  const changes = [lowRank(1), lowRank(4), lowRank(6)];
  const strengths = [1, -0.5, 2];
  const before = bits(base);
  const merged = mergeWeight(base, [
    ...changes.map((change, i) => [change, strengths[i]!] as const),
    [square, 0.1],
  ]);
  for (let o = 0; o < 6; o++)
    for (let i = 0; i < 4; i++) {
      const own = at(base, o, i);
      const added = sum(3, (k) => {
        const { up, down } = changes[k]!;
        return strengths[k]! * sum(down.dims[0]!, (r) => at(up, o, r) * at(down, r, i));
      });
      expect(at(merged, o, i)).toBe(Math.fround(own + (added + 0.1 * Math.fround(own ** 2))));
    }
  expect(bits(base)).toEqual(before);
});

test('the sum of a product with many ranks is that of float64', () => {
  const rank = 4096;
  const [up, down] = [random(1, rank), random(rank, 1)];
  const product = sum(rank, (r) => up.data[r]! * down.data[r]!);
  const merged = mergeWeight(tensor([0], [1, 1]), [[{ form: 'low-rank', up, down }, 1]]);
  expect(merged.data[0]).toBeCloseTo(product, 5);
});

test('biases are merged alike', () => {
  const bias = random(6);
  const change = random(6);
  const merged = mergeBias(bias, [[change, 0.5]]);
  for (let i = 0; i < 6; i++) expect(at(merged, i)).toBe(Math.fround(at(bias, i) + 0.5 * at(change, i)));
  expect(bits(mergeBias(bias, [[change, 0]]))).toEqual(bits(bias));
});

test.each([Number.NaN, Number.NEGATIVE_INFINITY])('a strength of %d is refused', (strength) => {
  expect(() => mergeWeight(base, [[square, strength]])).toThrow(
    `mergeWeight: a strength is ${strength}. Give a finite number; 1 is as trained.`,
  );
  try {
    mergeBias(random(6), [[random(6), strength]]);
    expect.unreachable();
  } catch (error) {
    expect(InvalidArgumentError.is(error)).toBe(true);
  }
});
