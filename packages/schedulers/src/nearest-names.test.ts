import { expect, test } from 'vitest';
import { nearestNames } from './nearest-names.ts';

test('the nearest name comes first, and case does not count', () => {
  expect(nearestNames('EULER', ['heun', 'euler', 'euler_a'])).toEqual(['euler', 'euler_a', 'heun']);
  expect(nearestNames('x', ['a', 'b'], 1)).toEqual(['a']);
  expect(nearestNames('a', ['a', 'a', 'b'])).toEqual(['a', 'b']);
});
