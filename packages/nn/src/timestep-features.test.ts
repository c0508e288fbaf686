import { expect, test } from 'vitest';
import { timestepFeatures } from './timestep-features.ts';

test('features are sines and cosines of the timestep at frequencies from 1 down', () => {
  const { dims, data } = timestepFeatures([3, 0], { channels: 4, flipSinToCos: true, frequencyShift: 0 });
  expect(dims).toEqual([2, 4]);
  expect(data[0]).toBeCloseTo(Math.cos(3), 6);
  expect(data[1]).toBeCloseTo(Math.cos(0.03), 6);
  expect(data[2]).toBeCloseTo(Math.sin(3), 6);
  expect(data[3]).toBeCloseTo(Math.sin(0.03), 6);
  expect([...data.slice(4)]).toEqual([1, 1, 0, 0]);
});

test('sines come first unless flipped, and the shift changes the lowest frequency', () => {
  const { data } = timestepFeatures([2], { channels: 4, flipSinToCos: false, frequencyShift: 1 });
  expect(data[0]).toBeCloseTo(Math.sin(2), 6);
  expect(data[1]).toBeCloseTo(Math.sin(2e-4), 9);
});

test('an odd number of channels ends with a zero', () => {
  const { data } = timestepFeatures([5], { channels: 3, flipSinToCos: true, frequencyShift: 0 });
  expect(data[2]).toBe(0);
});
