import { expect, test } from 'vitest';
import { solveLinear } from './solve-linear.ts';

test('the solution satisfies the system, also where a pivot is 0', () => {
  const matrix = [
    [0, 2, 1],
    [1, -1, 3],
    [2, 4, -2],
  ];
  const solution = solveLinear(matrix, [7, 4, 2]);
  for (const [i, row] of matrix.entries()) {
    expect(row.reduce((sum, value, k) => sum + value * solution[k]!, 0)).toBeCloseTo([7, 4, 2][i]!, 12);
  }
});
