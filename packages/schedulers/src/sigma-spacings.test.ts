import { InvalidArgumentError } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { alignYourStepsModels, alignYourStepsSigmas } from './align-your-steps.ts';
import { betaSigmas } from './beta-sigmas.ts';
import { exponentialSigmas } from './exponential-sigmas.ts';
import { karrasSigmas } from './karras-sigmas.ts';
import { klOptimalSigmas } from './kl-optimal-sigmas.ts';
import { linearQuadraticSigmas } from './linear-quadratic-sigmas.ts';
import { createNoiseSchedule } from './noise-schedule.ts';
import { polyexponentialSigmas } from './polyexponential-sigmas.ts';
import { sgmUniformSigmas, simpleSigmas } from './table-sigmas.ts';
import { vpSigmas } from './vp-sigmas.ts';

const range = { sigmaMin: 0.03, sigmaMax: 14.6 };
const schedule = { numTrainTimesteps: 1000, betaStart: 0.00085, betaEnd: 0.012 };
const { sigmas: table } = createNoiseSchedule({ ...schedule, betaSchedule: 'scaled_linear' });

const ranged = { karrasSigmas, exponentialSigmas, betaSigmas, polyexponentialSigmas, klOptimalSigmas };
const spacings: Record<string, (steps: number) => number[]> = {
  ...Object.fromEntries(
    Object.entries(ranged).map(([name, space]) => [name, (steps: number) => space({ ...range, steps })]),
  ),
  sgmUniformSigmas: (steps) => sgmUniformSigmas({ steps, table }),
  simpleSigmas: (steps) => simpleSigmas({ steps, table }),
  vpSigmas: (steps) => vpSigmas({ steps }),
  linearQuadraticSigmas: (steps) => linearQuadraticSigmas({ steps, sigmaMax: range.sigmaMax }),
  ...Object.fromEntries(
    alignYourStepsModels.map((model) => [
      `alignYourStepsSigmas ${model}`,
      (steps: number) => alignYourStepsSigmas({ steps, model }),
    ]),
  ),
};

for (const [name, space] of Object.entries(spacings)) {
  test(`${name} descends to 0, whatever the number of steps`, () => {
    for (const steps of [1, 2, 3, 7, 10, 50]) {
      const sigmas = space(steps);
      expect(sigmas).toHaveLength(steps + 1);
      expect(sigmas.at(-1)).toBe(0);
      for (let i = 1; i <= steps; i++) expect(sigmas[i]).toBeLessThan(sigmas[i - 1]!);
    }
  });

  test(`${name} refuses 0 steps`, () => {
    expect(() => space(0)).toThrow(InvalidArgumentError);
    expect(() => space(2.5)).toThrow('steps is 2.5. Give an integer of at least 1.');
  });
}

for (const [name, space] of Object.entries(ranged)) {
  test(`${name} reaches both ends, and refuses a range that is none`, () => {
    const sigmas = space({ ...range, steps: 5 });
    expect(sigmas[0]).toBeCloseTo(range.sigmaMax, 10);
    expect(sigmas[4]).toBeCloseTo(range.sigmaMin, 10);
    expect(() => space({ steps: 5, sigmaMin: 2, sigmaMax: 1 })).toThrow(
      `${name}: sigmaMin is 2 and sigmaMax 1. Give 0 < sigmaMin < sigmaMax.`,
    );
    expect(() => space({ steps: 5, sigmaMin: 0, sigmaMax: 1 })).toThrow(InvalidArgumentError);
  });
}

test('the paper of the spacing has these levels', () => {
  // Karras et al. 2022, eq. 5 with ρ = 7 in the middle of three: ((80^(1/7) + 0.002^(1/7)) / 2)^7
  const middle = ((80 ** (1 / 7) + 0.002 ** (1 / 7)) / 2) ** 7;
  expect(karrasSigmas({ steps: 3, sigmaMin: 0.002, sigmaMax: 80 })[1]).toBeCloseTo(middle, 10);
  expect(klOptimalSigmas({ steps: 3, sigmaMin: 0.5, sigmaMax: 2 })[1]).toBeCloseTo(1, 10);
  expect(alignYourStepsSigmas({ steps: 10, model: 'sdxl' })).toEqual(
    expect.arrayContaining([
      expect.closeTo(14.615, 6),
      expect.closeTo(2.181, 6),
      expect.closeTo(0.113, 6),
      0,
    ]),
  );
});

test('simple takes levels of the table itself, SGM uniform those of even timesteps', () => {
  expect(simpleSigmas({ steps: 4, table }).slice(0, 4)).toEqual([
    table[999],
    table[749],
    table[499],
    table[249],
  ]);
  expect(sgmUniformSigmas({ steps: 3, table })[1]).toBeCloseTo(table[666]!, 6);
  expect(() => simpleSigmas({ steps: 1001, table })).toThrow(
    'the table has 1000 levels. Ask for at most as many.',
  );
});
