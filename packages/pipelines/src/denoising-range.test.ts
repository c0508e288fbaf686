import { createScheduler, resolveScheduler } from '@emulsion/schedulers';
import { expect, test } from 'vitest';
import { endIndex, startIndex } from './denoising-range.ts';

const xl = {
  _class_name: 'EulerDiscreteScheduler',
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  beta_end: 0.012,
  steps_offset: 1,
  timestep_spacing: 'leading',
};
const planned = (name: string, numInferenceSteps: number) => {
  const scheduler = createScheduler(resolveScheduler(name, xl));
  return { scheduler, plan: scheduler.plan({ numInferenceSteps }) };
};

// The timesteps of 10 steps are 901, 801, …, 1; those of training are 1000.
test.each([
  [0.8, 8],
  [0.799, 8],
  [0.7985, 7], // 1000 − 798.5 = 201.5 rounds to 202
  [0.798, 7],
  [0.7995, 8], // 200.5 rounds to the even 200
  [0.1, 1],
  [0.999, 10],
])('of 10 steps up to the share %d the first model takes %i, and the second the others', (share, count) => {
  const { scheduler, plan } = planned('euler', 10);
  expect(endIndex(plan, share, scheduler, 0)).toBe(count);
  if (count < 10) expect(startIndex(plan, share, scheduler)).toBe(count);
});

test('a step of two evaluations is begun with the first of them', () => {
  const { scheduler, plan } = planned('heun', 5);
  // 801, 601, 601, 401, 401, 201, 201, 1, 1: below 400 there are four, and one more is taken.
  expect(plan.timesteps).toEqual([801, 601, 601, 401, 401, 201, 201, 1, 1]);
  expect(startIndex(plan, 0.6, scheduler)).toBe(4);
  expect(endIndex(plan, 0.6, scheduler, 0)).toBe(5);
});

test('the whole is a share too, nothing is not, nor is what leaves no step', () => {
  const { scheduler, plan } = planned('euler', 10);
  expect(endIndex(plan, 1, scheduler, 0)).toBe(10);
  for (const share of [0, -1, 1.5, Number.NaN])
    expect(() => endIndex(plan, share, scheduler, 0)).toThrow(
      `denoisingEnd is ${share}. Give a number between 0 and 1.`,
    );
  expect(() => startIndex(plan, 1, scheduler)).toThrow('denoisingStart is 1. Give a number between 0 and 1.');
  expect(() => startIndex(plan, 0.9995, scheduler)).toThrow(
    'denoisingStart is 0.9995, which leaves none of 10 steps. Raise numInferenceSteps, or move denoisingStart.',
  );
  expect(() => endIndex(plan, 0.05, scheduler, 0)).toThrow('denoisingEnd is 0.05, which leaves none');
  expect(() => endIndex(plan, 0.5, scheduler, 6)).toThrow('denoisingEnd is 0.5, which leaves none');
  const adaptive = planned('dpm_adaptive', 10);
  expect(() => endIndex(adaptive.plan, 0.5, adaptive.scheduler, 0)).toThrow(
    'denoisingEnd: this sampler finds its steps on the way, and cannot be cut. Choose another scheduler.',
  );
});
