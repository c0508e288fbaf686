import { expect, test } from 'vitest';
import { guidanceFeatures } from './guidance-features.ts';

test('the features of a scale are sines, then cosines, of a thousand times what it exceeds 1 by', () => {
  const { dims, data } = guidanceFeatures([1, 1.002], 4);
  expect(dims).toEqual([2, 4]);
  expect([...data.slice(0, 4)]).toEqual([0, 0, 1, 1]);
  expect(data[4]).toBeCloseTo(Math.sin(2), 4);
  expect(data[5]).toBeCloseTo(Math.sin(2e-4), 6);
  expect(data[6]).toBeCloseTo(Math.cos(2), 4);
});
