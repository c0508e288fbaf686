import { expect, test } from 'vitest';
import { roundHalfEven } from './round-half-even.ts';

test('ties go to the even number, others to the nearest', () => {
  expect([0.5, 1.5, 2.5, 937.5, 812.5, -0.5, -1.5].map(roundHalfEven)).toEqual([0, 2, 2, 938, 812, 0, -2]);
  expect([0.49, 0.51, -0.51, 7].map(roundHalfEven)).toEqual([0, 1, -1, 7]);
});
