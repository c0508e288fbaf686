import { expect, test } from 'vitest';
import { exponentialIntegral } from './exponential-integral.ts';

test('the integral is that of a sum over many points', () => {
  for (const rate of [1, 2, -1]) {
    for (const power of [0, 1, 2, 3]) {
      const [h, points] = [0.7, 20000];
      let sum = 0;
      for (let i = 0; i < points; i++) {
        const u = -h + ((i + 0.5) * h) / points;
        sum += (Math.exp(rate * u) * u ** power * h) / points;
      }
      expect(exponentialIntegral(rate, power, h)).toBeCloseTo(sum, 8);
    }
  }
});
