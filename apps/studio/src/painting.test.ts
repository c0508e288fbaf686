import { expect, test } from 'vitest';
import { advanced, begun, isWorthSaying, progressText } from './painting.ts';

test('steps are counted, and the rest of the way takes as long as what is done', () => {
  const painting = advanced(begun(12), { step: 2, totalSteps: 12, progress: 0.25 }, 3000);
  expect(painting).toMatchObject({ stepsDone: 3, totalSteps: 12, progress: 0.25, timeLeft: 9000 });
  expect(progressText(painting)).toBe('Step 3 of 12, 9 seconds left');
  expect(progressText(begun(12))).toBe('Step 0 of 12');
});

test('a sampler that finds its steps on the way tells its progress, not how many there are', () => {
  const painting = advanced(begun(12), { step: 40, totalSteps: undefined, progress: 0.8 }, 8000);
  expect(painting.progress).toBe(0.8);
  expect(progressText(painting)).toBe('Step 41, 2 seconds left');
});

test('each quarter is said once, and the end by others', () => {
  let painting = begun(8);
  const said = Array.from({ length: 8 }, (_, step) => {
    const before = painting;
    painting = advanced(before, { step, totalSteps: 8, progress: (step + 1) / 8 }, 1000);
    return isWorthSaying(before, painting);
  });
  expect(said).toEqual([false, true, false, true, false, true, false, false]);
});
