import { cpuOps, createRng, type Tensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { brownianDraws } from './brownian-draws.ts';
import { dpmSolverSde } from './dpm-solver-sde.ts';
import { karrasSigmas } from './karras-sigmas.ts';
import type { Noise } from './sampler.ts';

const count = 20_000;
const dims = [1, 1, count];
const mean = (values: Iterable<number>) => {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / count;
};
const product = (a: Tensor, b: Tensor) => mean(a.data.map((value, i) => value * b.data[i]!));

test('draws are of variance 1, and overlap as their intervals do', () => {
  const rng = createRng({ kind: 'torch-cpu', seed: 1 });
  const noise = brownianDraws((wanted) => rng.normal(wanted));
  const [first, whole] = [noise(dims, { from: 5, to: 4 }), noise(dims, { from: 5, to: 1 })];
  expect(product(whole, whole)).toBeCloseTo(1, 1);
  // The covariance is the length of the part, each divided by the root of its own length.
  expect(product(first, whole)).toBeCloseTo(Math.sqrt(1 / 4), 1);
  const next = noise(dims, { from: 1, to: 0.5 });
  expect(product(whole, next)).toBeCloseTo(0, 1);
  expect(product(whole, noise(dims, { from: 5, to: 4 }))).toBeCloseTo(0, 1);
});

test('without intervals, and where none holds the other, they are the fresh draws', () => {
  const drawn: Tensor[] = [];
  const noise = brownianDraws(() => {
    drawn.push(tensor([drawn.length], [1]));
    return drawn.at(-1)!;
  });
  const given = [noise([1]), noise([1], { from: 3, to: 2 }), noise([1], { from: 2, to: 1 }), noise([1])];
  expect(given).toEqual(drawn);
});

/** The variance of what DPM++ SDE makes of data of variance 1, of which the network knows all. */
function sampledVariance(noise: Noise, steps: number): number {
  const rng = createRng({ kind: 'torch-cpu', seed: 3 });
  const sigmas = karrasSigmas({ steps, sigmaMin: 0.03, sigmaMax: 14.6 });
  const sample = cpuOps.combine([Math.sqrt(14.6 ** 2 + 1), rng.normal(dims)]);
  const timestepOf = (sigma: number) => sigma;
  const sampler = dpmSolverSde({
    ops: cpuOps,
    sample,
    sigmas,
    timesteps: sigmas.slice(0, -1),
    timestepOf,
    noise,
  });
  let turn = sampler.next();
  while (!turn.done)
    turn = sampler.next(cpuOps.combine([1 / (turn.value.sigma ** 2 + 1), turn.value.sample]));
  return product(turn.value, turn.value);
}

test('DPM++ SDE keeps the variance of the data with them, and loses it with draws that know nothing of each other', () => {
  const rng = createRng({ kind: 'torch-cpu', seed: 4 });
  expect(
    sampledVariance(
      brownianDraws((wanted) => rng.normal(wanted)),
      40,
    ),
  ).toBeCloseTo(1, 1);
  expect(sampledVariance((wanted) => rng.normal(wanted), 40)).toBeLessThan(0.9);
});
