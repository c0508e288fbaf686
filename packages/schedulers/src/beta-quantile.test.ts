import { expect, test } from 'vitest';
import { betaQuantile } from './beta-quantile.ts';

test('the uniform distribution gives the share itself', () => {
  for (const p of [0, 0.1, 0.5, 0.77, 1]) expect(betaQuantile(p, 1, 1)).toBeCloseTo(p, 12);
});

test('equal shapes are symmetric', () => {
  for (const p of [0.01, 0.2, 0.4])
    expect(betaQuantile(p, 0.6, 0.6)).toBeCloseTo(1 - betaQuantile(1 - p, 0.6, 0.6), 12);
});

test('scipy gives the same numbers', () => {
  // scipy.stats.beta.ppf(p, a, b)
  expect(betaQuantile(0.1, 0.6, 0.6)).toBeCloseTo(0.03958440558878085, 12);
  expect(betaQuantile(0.3, 2, 5)).toBeCloseTo(0.18180347131894917, 12);
  expect(betaQuantile(0.9, 0.5, 3)).toBeCloseTo(0.38624888180536926, 12);
});
