import { expect, test } from 'vitest';
import { karrasSigmas } from './karras-sigmas.ts';
import { restart, restartWalk, usualRestartWalk } from './restart.ts';
import { precise, preciseOps, run } from './testing/gaussian-problem.ts';

test('a stretch is walked again from its upper end', () => {
  const walk = restartWalk([8, 4, 2, 1, 0], [{ sigmaMin: 1, sigmaMax: 4, steps: 2, times: 2 }]);
  expect(walk.map((sigma) => Number(sigma.toFixed(9)))).toEqual([8, 4, 2, 1, 4, 1, 4, 1, 0]);
});

test('few steps are walked once, many go back to 2 once or twice', () => {
  const few = karrasSigmas({ steps: 19, sigmaMin: 0.03, sigmaMax: 14.6 });
  expect(usualRestartWalk(few)).toEqual(few);
  for (const [steps, times] of [
    [20, 1],
    [36, 2],
  ] as const) {
    const walk = usualRestartWalk(karrasSigmas({ steps, sigmaMin: 0.03, sigmaMax: 14.6 }));
    const ascents = walk.filter((sigma, i) => i > 0 && sigma > walk[i - 1]!);
    expect(ascents).toHaveLength(times);
    // Going back takes no evaluation: as many steps as were asked for are left.
    expect(walk.length - 1 - times).toBe(steps);
    expect(walk.at(-1)).toBe(0);
  }
});

test('noise of the missing level is added where the walk ascends', () => {
  const sampler = restart({
    ops: preciseOps,
    sample: precise(0),
    sigmas: [1, 3, 0],
    timestepOf: (sigma) => sigma,
    noise: () => precise(1),
  });
  const seen: number[] = [];
  run(sampler, (sample) => {
    seen.push(sample.data[0]!);
    return sample;
  });
  expect(seen[0]).toBeCloseTo(Math.sqrt(8), 12);
});
