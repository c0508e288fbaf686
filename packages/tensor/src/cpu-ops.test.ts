import { expect, test } from 'vitest';
import { cpuOps } from './cpu-ops.ts';
import { ShapeError } from './errors.ts';
import { tensor } from './tensor.ts';

const values = (...numbers: number[]) => tensor(numbers, [1, numbers.length]);

test('combine is the weighted sum for any number of terms', () => {
  const terms = [1, 2, 3, 4, 5, 6, 7].map((k) => [k, values(k, -k, k, -k, k)] as const);
  for (let count = 1; count <= 7; count++) {
    const [first, ...rest] = terms.slice(0, count);
    const expected = terms.slice(0, count).reduce((sum, [w]) => sum + w * w, 0);
    expect([...cpuOps.combine(first!, ...rest).data]).toEqual([
      expected,
      -expected,
      expected,
      -expected,
      expected,
    ]);
  }
});

test('combineInto writes into the memory that it is given, which may be that of a term', () => {
  const [x, out] = [values(1, 2, 3, 4, 5), values(0, 0, 0, 0, 0)];
  expect(cpuOps.combineInto(out, [2, x], [1, x])).toBe(out);
  expect([...out.data]).toEqual([3, 6, 9, 12, 15]);
  cpuOps.combineInto(x, [1, out], [-1, x]);
  expect([...x.data]).toEqual([2, 4, 6, 8, 10]);
  expect(() => cpuOps.combineInto(values(1), [1, x])).toThrow(
    'combineInto: [1, 1] does not match [1, 5]. Give tensors of equal dims.',
  );
});

test('combineAndScale gives the sum, and its product in the memory that it is given', () => {
  const [x, out] = [values(1, 2, 3), values(0, 0, 0)];
  const [sum, product] = cpuOps.combineAndScale(10, { product: out }, [2, x], [1, x]);
  expect([...sum.data]).toEqual([3, 6, 9]);
  expect(product).toBe(out);
  expect([...out.data]).toEqual([30, 60, 90]);
  expect(sum).not.toBe(x);
  expect([...cpuOps.combineAndScale(10, {}, [1, x])[1].data]).toEqual([10, 20, 30]);
  expect(cpuOps.combineAndScale(10, { sum: x }, [2, x])[0]).toBe(x);
  expect([...x.data]).toEqual([2, 4, 6]);
  expect(() => cpuOps.combineAndScale(1, { product: values(1) }, [1, x])).toThrow(
    'combineAndScale: [1, 1] does not match [1, 3]. Give tensors of equal dims.',
  );
});

test('combine sums in float32, from the first term on', () => {
  const [one, little] = [values(1), values(2 ** -30)];
  expect(cpuOps.combine([1, one], [1, little], [-1, one]).data[0]).toBe(0);
  expect(cpuOps.combine([1, one], [-1, one], [1, little]).data[0]).toBe(2 ** -30);
});

test('combine refuses tensors of different dims and says which', () => {
  expect(() => cpuOps.combine([1, values(1)], [1, values(1, 2)])).toThrow(ShapeError);
  expect(() => cpuOps.combine([1, values(1)], [1, values(1, 2)])).toThrow(
    'combine: [1, 2] does not match [1, 1]. Give tensors of equal dims.',
  );
});

test('affine, multiply and clamp work element by element', () => {
  expect([...cpuOps.affine(values(1, -2), 3, 0.5).data]).toEqual([3.5, -5.5]);
  expect([...cpuOps.multiply(values(1, -2), values(3, 4)).data]).toEqual([3, -8]);
  expect([...cpuOps.clamp(values(-3, 0.5, 3), -1, 2).data]).toEqual([-1, 0.5, 2]);
});

test('dynamic thresholding divides by the quantile, sample by sample, and never enlarges', () => {
  const x = tensor([0, 1, 2, 4, 0, 0.1, 0.2, 0.3], [2, 4]);
  const result = cpuOps.dynamicThreshold(x, 0.5, 10);
  const s = 1.5; // the median of 0, 1, 2, 4
  expect([...result.data]).toEqual([0, Math.fround(1 / s), 1, 1, 0, 0.1, 0.2, 0.3].map(Math.fround));
  expect(cpuOps.dynamicThreshold(x, 1, 2).data[3]).toBe(1);
});

test('matchStandardDeviation gives each sample the deviation of its reference', () => {
  const x = tensor([1, 3, 10, 30], [2, 2]);
  const reference = tensor([0, 4, 0, 5], [2, 2]);
  expect([...cpuOps.matchStandardDeviation(x, reference).data]).toEqual([2, 6, 2.5, 7.5]);
});

test('exp and sqrt work element by element', () => {
  expect([...cpuOps.exp(values(0, 1)).data]).toEqual([1, Math.fround(Math.E)]);
  expect([...cpuOps.sqrt(values(4, 2)).data]).toEqual([2, Math.fround(Math.SQRT2)]);
});

test('scaleByNorms takes the mean length of the samples', () => {
  const x = tensor([1, 2, 3, 4], [2, 2]);
  const numerator = tensor([3, 4, 6, 8], [2, 2]); // lengths 5 and 10
  const denominator = tensor([3, 0, 0, 0], [2, 2]); // lengths 3 and 0
  expect([...cpuOps.scaleByNorms(x, numerator, denominator).data]).toEqual([5, 10, 15, 20]);
});

test('slice takes a part of any axis', () => {
  const x = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 3, 2]);
  expect(cpuOps.slice(x, 1, 3, 1)).toEqual(tensor([3, 4, 5, 6, 9, 10, 11, 12], [2, 2, 2]));
  expect(cpuOps.slice(x, 0, 1, 2)).toEqual(tensor([1, 3, 5, 7, 9, 11], [2, 3, 1]));
});

test('concat joins along any axis', () => {
  const a = tensor([1, 2, 3, 4], [2, 1, 2]);
  const b = tensor([5, 6, 7, 8, 9, 10, 11, 12], [2, 2, 2]);
  const joined = cpuOps.concat([a, b], 1);
  expect(joined.dims).toEqual([2, 3, 2]);
  expect([...joined.data]).toEqual([1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12]);
  expect(() => cpuOps.concat([a, tensor([1, 2], [1, 1, 2])], 1)).toThrow(
    'concat: [1, 1, 2] does not continue [2, 1, 2]. Give tensors that differ in axis 1 only.',
  );
});

test('slice undoes concat', () => {
  const a = tensor([1, 2, 3, 4], [2, 2]);
  const b = tensor([5, 6], [1, 2]);
  const joined = cpuOps.concat([a, b]);
  expect(joined.dims).toEqual([3, 2]);
  expect(cpuOps.slice(joined, 0, 2)).toEqual(a);
  expect(cpuOps.slice(joined, 2, 3)).toEqual(b);
  expect(() => cpuOps.concat([a, tensor([1], [1, 1])])).toThrow(ShapeError);
});
