import { expect, test } from 'vitest';
import { spaceTimesteps, timestepSpacings } from './timestep-spacing.ts';

const options = { numTrainTimesteps: 1000, numInferenceSteps: 4, stepsOffset: 0 };

test('each spacing visits the timesteps of its definition', () => {
  expect(spaceTimesteps({ ...options, spacing: 'linspace' })).toEqual([999, 666, 333, 0]);
  expect(spaceTimesteps({ ...options, spacing: 'leading' })).toEqual([750, 500, 250, 0]);
  expect(spaceTimesteps({ ...options, spacing: 'leading', stepsOffset: 1 })).toEqual([751, 501, 251, 1]);
  expect(spaceTimesteps({ ...options, spacing: 'trailing' })).toEqual([999, 749, 499, 249]);
});

test('the lowest timestep can be left out', () => {
  expect(spaceTimesteps({ ...options, spacing: 'leading', skipLowest: true })).toEqual([800, 600, 400, 200]);
  expect(spaceTimesteps({ ...options, spacing: 'linspace', skipLowest: true })).toEqual([
    999, 749.25, 499.5, 249.75,
  ]);
});

test('every number of steps gives as many descending timesteps', () => {
  for (const spacing of timestepSpacings) {
    for (let steps = 1; steps <= 1000; steps++) {
      const timesteps = spaceTimesteps({ ...options, spacing, numInferenceSteps: steps });
      expect(timesteps).toHaveLength(steps);
      expect(
        timesteps.every((timestep, i) => timestep >= 0 && (i === 0 || timestep < timesteps[i - 1]!)),
      ).toBe(true);
    }
  }
});
