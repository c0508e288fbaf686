import { expect, test } from 'vitest';
import { formatDuration, timeLeft } from './time-left.ts';

test('the steps that are left take as long as those before', () => {
  expect(timeLeft(3000, 3, 10)).toBe(7000);
  expect(timeLeft(3000, 10, 10)).toBe(0);
  expect(timeLeft(3000, 0, 10)).toBeUndefined();
});

test('durations are said in the unit that suits', () => {
  expect([300, 1000, 59_400, 61_000].map(formatDuration)).toEqual([
    'less than a second',
    '1 second',
    '59 seconds',
    '1 min 1 s',
  ]);
});
