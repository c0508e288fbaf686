import { expect, test } from 'vitest';
import { evaluate, lagrangeBasis } from './lagrange-basis.ts';

test('each polynomial is 1 at its point and 0 at the others', () => {
  const points = [-1, 0.5, 2, 3.5];
  const at = (polynomial: number[], x: number) => evaluate(polynomial, (power) => x ** power);
  for (const [i, polynomial] of lagrangeBasis(points).entries()) {
    for (const [j, x] of points.entries()) expect(at(polynomial, x)).toBeCloseTo(i === j ? 1 : 0, 12);
  }
});
