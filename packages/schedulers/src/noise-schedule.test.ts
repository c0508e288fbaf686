import { expect, test } from 'vitest';
import { betaSchedules, createNoiseSchedule, rescaleZeroTerminalSnr } from './noise-schedule.ts';

const options = { numTrainTimesteps: 1000, betaStart: 0.00085, betaEnd: 0.012 };

for (const betaSchedule of betaSchedules) {
  test(`the signal of ${betaSchedule} falls and the noise grows`, () => {
    const { betas, alphasCumprod, sigmas } = createNoiseSchedule({ ...options, betaSchedule });
    for (let t = 0; t < 1000; t++) {
      expect(betas[t]).toBeGreaterThan(0);
      expect(betas[t]).toBeLessThan(1);
      if (t === 0) continue;
      expect(alphasCumprod[t]).toBeLessThan(alphasCumprod[t - 1]!);
      expect(sigmas[t]).toBeGreaterThan(sigmas[t - 1]!);
    }
  });
}

test('rescaling leaves the first beta and takes the last signal away', () => {
  const { betas } = createNoiseSchedule({ ...options, betaSchedule: 'scaled_linear' });
  const rescaled = rescaleZeroTerminalSnr(betas);
  expect(rescaled[0]).toBeCloseTo(betas[0]!, 6);
  expect(rescaled.at(-1)).toBe(1);
  const schedule = { ...options, betaSchedule: 'scaled_linear', rescaleBetasZeroSnr: true } as const;
  expect(createNoiseSchedule(schedule).alphasCumprod.at(-1)).toBe(0);
  expect(createNoiseSchedule({ ...schedule, leastAlphaCumprod: 2 ** -24 }).sigmas.at(-1)).toBeCloseTo(
    4096,
    0,
  );
});

test('betas can be given one by one', () => {
  const { betas, alphasCumprod } = createNoiseSchedule({
    ...options,
    numTrainTimesteps: 2,
    betaSchedule: 'linear',
    trainedBetas: [0.5, 0.5],
  });
  expect([...betas]).toEqual([0.5, 0.5]);
  expect([...alphasCumprod]).toEqual([0.5, 0.25]);
});
