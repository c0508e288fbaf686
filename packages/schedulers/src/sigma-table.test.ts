import { expect, test } from 'vitest';
import { createNoiseSchedule } from './noise-schedule.ts';
import { interpolateTable, logarithms, timestepOfSigma } from './sigma-table.ts';

const { sigmas } = createNoiseSchedule({
  numTrainTimesteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
});
const logSigmas = logarithms(sigmas);

test('the timestep of a level of the table is its place', () => {
  for (const place of [0, 1, 500, 998, 999])
    expect(timestepOfSigma(sigmas[place]!, logSigmas)).toBeCloseTo(place, 3);
});

test('levels beyond the table are at its ends', () => {
  expect(timestepOfSigma(1e-9, logSigmas)).toBe(0);
  expect(timestepOfSigma(0, logSigmas)).toBe(0);
  expect(timestepOfSigma(1e9, logSigmas)).toBe(999);
  expect(interpolateTable(sigmas, -3)).toBe(sigmas[0]);
  expect(interpolateTable(sigmas, 1500)).toBe(sigmas[999]);
});

test('between two entries the level is linear, and the timestep linear in its logarithm', () => {
  expect(interpolateTable(sigmas, 10.25)).toBeCloseTo(0.75 * sigmas[10]! + 0.25 * sigmas[11]!, 12);
  const middle = Math.sqrt(sigmas[10]! * sigmas[11]!);
  expect(timestepOfSigma(middle, logSigmas)).toBeCloseTo(10.5, 4);
});
