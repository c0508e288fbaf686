import { cpuOps, InvalidArgumentError, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { createBrownianNoise } from './brownian-noise.ts';
import { createScheduler } from './create-scheduler.ts';

const range = { seed: 7, sigmaMax: 14.6 };
const dims = [1, 2, 8, 8];

/** Increments of the path, not scaled. */
function increment(noise: ReturnType<typeof createBrownianNoise>, from: number, to: number): number[] {
  const scale = Math.sqrt(Math.abs(to - from));
  return [...noise(dims, { from, to }).data].map((value) => value * scale);
}

test('samplers of stochastic differential equations find what they ask for down to their last step', () => {
  for (const sampler of ['dpmpp_sde', 'dpmpp_2m_sde', 'dpmpp_3m_sde']) {
    const scheduler = createScheduler({ _class_name: 'KDiffusionScheduler', sampler });
    const plan = scheduler.plan({ numInferenceSteps: 4 });
    const noise = createBrownianNoise({ seed: 7, sigmaMax: plan.sigmas[0]! });
    const sampling = scheduler.sample({ plan, sample: tensor([1, 2], [1, 1, 1, 2]), ops: cpuOps, noise });
    let turn = sampling.next();
    while (!turn.done) turn = sampling.next(turn.value.sample);
    expect(turn.value.data.every(Number.isFinite)).toBe(true);
  }
});

test('an interval gives the same noise whatever was asked before', () => {
  const first = createBrownianNoise(range);
  const wanted = first(dims, { from: 5, to: 2 });
  const second = createBrownianNoise(range);
  for (const [from, to] of [
    [14.6, 9],
    [0.5, 0.03],
    [9, 5],
  ] as const) {
    second(dims, { from, to });
  }
  expect(second(dims, { from: 5, to: 2 })).toEqual(wanted);
});

test('two halves of an interval add up to the whole', () => {
  const noise = createBrownianNoise(range);
  const halves = [increment(noise, 6, 3.5), increment(noise, 3.5, 1)];
  const whole = increment(noise, 6, 1);
  for (const [i, value] of whole.entries()) expect(halves[0]![i]! + halves[1]![i]!).toBeCloseTo(value, 4);
});

test('going up gives the opposite of going down', () => {
  const noise = createBrownianNoise(range);
  const up = noise(dims, { from: 1, to: 4 });
  const down = noise(dims, { from: 4, to: 1 });
  for (const [i, value] of up.data.entries()) expect(value).toBe(-down.data[i]!);
});

test('the noise is normal and intervals that do not meet are independent', () => {
  const noise = createBrownianNoise(range);
  const many = [4, 16, 16];
  const [a, b] = [noise(many, { from: 9, to: 7 }).data, noise(many, { from: 3, to: 0.4 }).data];
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean([...a])).toBeCloseTo(0, 0.5);
  expect(mean([...a].map((value) => value ** 2))).toBeCloseTo(1, 0.5);
  expect(Math.abs(mean([...a].map((value, i) => value * b[i]!)))).toBeLessThan(0.1);
});

test('another seed is another path, and seed 0 is a seed', () => {
  const values = [0, 1, 2 ** 33].map(
    (seed) => createBrownianNoise({ ...range, seed })(dims, { from: 2, to: 1 }).data[0],
  );
  expect(new Set(values).size).toBe(3);
});

test('what makes no path is refused', () => {
  expect(() => createBrownianNoise({ ...range, seed: -1 })).toThrow(InvalidArgumentError);
  expect(() => createBrownianNoise({ ...range, sigmaMax: 0 })).toThrow(
    'createBrownianNoise: seed is 7, sigmaMax is 0. Give an integer from 0 and a level above 0.',
  );
  const noise = createBrownianNoise(range);
  expect(() => noise(dims)).toThrow('draws noise without an interval');
  expect(() => noise(dims, { from: 20, to: 1 })).toThrow('the interval 20 to 1 is not within 14.6 and 0.');
});
