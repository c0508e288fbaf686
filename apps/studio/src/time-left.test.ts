import { expect, test } from 'vitest';
import { formatDuration, timeLeft } from './time-left.ts';

test('the rest goes as fast as what is done', () => {
  expect(timeLeft(3000, 0.75)).toBe(1000);
  expect(timeLeft(3000, 1)).toBe(0);
  expect(timeLeft(3000, 0)).toBeUndefined();
});

test('durations are said in the unit that suits', () => {
  expect([300, 1000, 59_400, 61_000].map(formatDuration)).toEqual([
    'less than a second',
    '1 second',
    '59 seconds',
    '1 min 1 s',
  ]);
});
