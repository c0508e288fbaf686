import { expect, test } from 'vitest';
import { stepProgress } from './step-progress.ts';

test('steps are counted from the first that is asked about', () => {
  const progress = stepProgress(4);
  expect([6, 6, 7, 9, 10, 12].map(progress)).toEqual([0, 0, 0.25, 0.75, 1, 1]);
  expect([0, 5].map(stepProgress(undefined))).toEqual([0, 0]);
});
