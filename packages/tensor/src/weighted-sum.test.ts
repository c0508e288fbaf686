import { expect, test } from 'vitest';
import { createRng } from './rng.ts';
import { sumInLoops } from './weighted-sum.ts';
import { createWeightedSumKernel } from './weighted-sum-kernel.ts';

const rng = createRng({ kind: 'torch-cpu', seed: 4 });
const draw = (length: number) => rng.normal([length]).data;

test.each([1, 2, 3, 6, 9])(
  'the kernel of %i terms gives what the loops give, to the last bit',
  (termCount) => {
    const kernel = createWeightedSumKernel(termCount)!;
    // Nothing, less than a turn of the kernel's loop, and lengths around the ends of its blocks and of the loops'.
    for (const length of [0, 1, 3, 1024, 1025, 16_383, 16_384, 16_385, 40_001]) {
      const terms = Array.from({ length: termCount }, () => draw(length));
      const weights = [...rng.normal([termCount]).data];
      const [out, expected] = [new Float32Array(length), new Float32Array(length)];
      kernel(out, weights, terms);
      sumInLoops(expected, weights, terms);
      expect(out).toEqual(expected);
      // Over one of the terms, too.
      kernel(terms.at(-1)!, weights, terms);
      expect(terms.at(-1)).toEqual(expected);
    }
  },
);

test('products and sums are float32, from the first term on', () => {
  const terms = Array.from({ length: 4 }, () => draw(5000));
  const weights = [1.1, -0.3, 1e3, -1e3];
  const out = new Float32Array(5000);
  createWeightedSumKernel(4)!(out, weights, terms);
  for (let i = 0; i < 5000; i++) {
    const products = weights.map((weight, term) => Math.fround(Math.fround(weight) * terms[term]![i]!));
    expect(out[i]).toBe(products.reduce((sum, product) => Math.fround(sum + product)));
  }
});

test('what is infinite or no number comes out as in the loops', () => {
  const special = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 3e38);
  for (const sum of [createWeightedSumKernel(1)!, sumInLoops]) {
    const out = new Float32Array(5);
    sum(out, [2], [special]);
    expect([...out]).toEqual([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      expect.closeTo(0),
      Number.POSITIVE_INFINITY,
    ]);
  }
});
