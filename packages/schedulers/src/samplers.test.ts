// Samplers that are the same by different names, and laws that all of them keep.
import { expect, test } from 'vitest';
import {
  dpmSolver2MCfgPlusPlus,
  dpmSolver2SAncestralCfgPlusPlus,
  eulerAncestralCfgPlusPlus,
  eulerCfgPlusPlus,
} from './cfg-plus-plus.ts';
import { ddim } from './ddim.ts';
import { deis } from './deis.ts';
import { dpmSolver2SAncestral } from './dpm-solver-2s-ancestral.ts';
import {
  dpmSolverMultistep,
  dpmSolverPlusPlusMultistep,
  sdeDpmSolverPlusPlusMultistep,
} from './dpm-solver-multistep.ts';
import { dpmSolverSde } from './dpm-solver-sde.ts';
import { dpmSolverPlusPlusSinglestep, singlestepOrders } from './dpm-solver-singlestep.ts';
import { dpm2, dpm2Ancestral } from './dpm2.ts';
import { erSde } from './er-sde.ts';
import { euler } from './euler.ts';
import { eulerAncestral } from './euler-ancestral.ts';
import { gradientEstimation, gradientEstimationCfgPlusPlus } from './gradient-estimation.ts';
import { heun } from './heun.ts';
import { karrasSigmas } from './karras-sigmas.ts';
import { lms } from './lms.ts';
import { type NoiseProcess, varianceExploding, variancePreserving } from './noise-level.ts';
import { resMultistep, resMultistepCfgPlusPlus } from './res-multistep.ts';
import { restart } from './restart.ts';
import { saSolver } from './sa-solver.ts';
import type { Sampler } from './sampler.ts';
import { seeds2 } from './seeds.ts';
import {
  noNoise,
  perfectDenoiser,
  precise,
  preciseOps,
  run,
  runDenoised,
  runNoise,
  silence,
} from './testing/gaussian-problem.ts';
import { unipc } from './unipc.ts';

const sigmas = karrasSigmas({ steps: 6, sigmaMin: 0.1, sigmaMax: 10 });
const path = {
  ops: preciseOps,
  sample: precise(8),
  sigmas,
  timesteps: sigmas.slice(0, -1),
  timestepOf: (sigma: number) => sigma,
};
/** The same without the last level, 0. */
const open = { ...path, sigmas: sigmas.slice(0, -1), timesteps: sigmas.slice(0, -2) };
const quiet = { ...path, noise: silence, eta: 0 };

function expectSame(a: number, b: number): void {
  expect(a).toBeCloseTo(b, 10);
}

test('Euler and DDIM are one step from the sample towards denoised', () => {
  const levels = open.sigmas.map(variancePreserving);
  const transitions = open.timesteps.map((timestep, i) => ({
    timestep,
    from: levels[i]!,
    to: levels[i + 1]!,
  }));
  const implicit = run(ddim({ ops: preciseOps, sample: precise(0.8), transitions }), (sample, sigma) => {
    const level = variancePreserving(sigma);
    const denoised = perfectDenoiser(sample, level);
    const noise = preciseOps.combine([1 / level.sigma, sample], [-level.alpha / level.sigma, denoised]);
    return { denoised, noise };
  });
  const process = variancePreserving;
  expectSame(implicit.data[0]!, runDenoised(euler({ ...open, sample: precise(0.8), process }), process));
});

test('variance preserving and exploding are two scales of one sampler', () => {
  const scale = (sigma: number) => variancePreserving(sigma).alpha;
  const at = (process: NoiseProcess, sample: number) =>
    runDenoised(dpmSolverPlusPlusMultistep({ ...open, sample: precise(sample), process, order: 3 }), process);
  const [first, last] = [open.sigmas[0]!, open.sigmas.at(-1)!];
  expectSame(at(variancePreserving, 8 * scale(first)), at(varianceExploding, 8) * scale(last));
});

test('the solvers of order 1 are Euler', () => {
  const process = varianceExploding;
  const wanted = runDenoised(euler(open));
  expectSame(runDenoised(dpmSolverPlusPlusMultistep({ ...open, process, order: 1 })), wanted);
  expectSame(runNoise(dpmSolverMultistep({ ...open, process, order: 1 })), wanted);
  expectSame(runNoise(deis({ ...open, process, order: 1 })), wanted);
  expectSame(runDenoised(lms({ ...open, order: 1 })), wanted);
  const orders = open.timesteps.map(() => 1);
  expectSame(runDenoised(dpmSolverPlusPlusSinglestep({ ...open, process, orders })), wanted);
  const withoutCorrector = { ...open, process, order: 1, disableCorrector: [0, 1, 2, 3, 4] };
  expectSame(runDenoised(unipc(withoutCorrector)), wanted);
});

test('without noise the stochastic samplers are their deterministic ones', () => {
  expectSame(runDenoised(eulerAncestral(quiet)), runDenoised(euler(path)));
  expectSame(runDenoised(dpm2Ancestral(quiet)), runDenoised(dpm2(path)));
  const process = varianceExploding;
  for (const order of [1, 2, 3] as const) {
    const stochastic = sdeDpmSolverPlusPlusMultistep({ ...quiet, process, order });
    expectSame(runDenoised(stochastic), runDenoised(dpmSolverPlusPlusMultistep({ ...path, process, order })));
  }
  expectSame(runDenoised(restart({ ...path, noise: noNoise })), runDenoised(heun(path)));
});

test('DPM++ 2S ancestral, DPM++ SDE and SEEDS-2 without noise are DPM-Solver++ (2S)', () => {
  // The stages of the singlestep solver are levels of its own.
  const stages = open.sigmas.flatMap((sigma, i) =>
    i === 0 ? [sigma] : [Math.sqrt(open.sigmas[i - 1]! * sigma), sigma],
  );
  const orders = stages.slice(1).map((_, i) => (i % 2) + 1);
  const singlestep = { ...open, sigmas: stages, timesteps: stages.slice(0, -1), orders };
  const wanted = runDenoised(dpmSolverPlusPlusSinglestep({ ...singlestep, process: varianceExploding }));
  const still = { ...open, noise: silence, eta: 0 };
  expectSame(runDenoised(dpmSolver2SAncestral(still)), wanted);
  expectSame(runDenoised(dpmSolverSde(still)), wanted);
  expectSame(runDenoised(seeds2(still)), wanted);
});

test('RES multistep is DPM-Solver++ (2M) of type heun', () => {
  const options = {
    ...path,
    process: varianceExploding,
    solverType: 'heun',
    lowerOrderFinal: false,
  } as const;
  expectSame(runDenoised(resMultistep(path)), runDenoised(dpmSolverPlusPlusMultistep(options)));
});

test('gradient estimation with gamma 1 is Euler, and ER-SDE of order 1 without noise too', () => {
  expectSame(runDenoised(gradientEstimation({ ...path, gamma: 1 })), runDenoised(euler(path)));
  const identity = { ...path, noise: silence, order: 1, noiseScale: (level: number) => level } as const;
  expectSame(runDenoised(erSde(identity)), runDenoised(euler(path)));
});

test('SA-Solver without noise and corrector of order 1 predicts as DPM-Solver++ (2M)', () => {
  const common = { ...open, process: varianceExploding, lowerOrderFinal: false };
  const answers: number[] = [];
  const options = { ...common, noise: silence, tau: () => 0, predictorOrder: 2, correctorOrder: 1 };
  // The second question shows the first step, which is not corrected yet.
  run(saSolver(options), (sample, sigma) => {
    answers.push(sample.data[0]!);
    return perfectDenoiser(sample, varianceExploding(sigma));
  });
  expectSame(answers[1]!, runDenoised(euler({ ...open, timesteps: open.timesteps.slice(0, 1) })));
});

test('with the same answer twice CFG++ changes nothing', () => {
  const guided = (sample: typeof path.sample, sigma: number) => {
    const denoised = perfectDenoiser(sample, varianceExploding(sigma));
    return { denoised, negative: denoised };
  };
  const end = (sampler: Parameters<typeof run<ReturnType<typeof guided>>>[0]) =>
    run(sampler, guided).data[0]!;
  expectSame(end(eulerCfgPlusPlus(path)), runDenoised(euler(path)));
  expectSame(end(eulerAncestralCfgPlusPlus(quiet)), runDenoised(euler(path)));
  expectSame(end(dpmSolver2SAncestralCfgPlusPlus(quiet)), runDenoised(dpmSolver2SAncestral(quiet)));
  expectSame(end(resMultistepCfgPlusPlus(path)), runDenoised(resMultistep(path)));
  expectSame(end(gradientEstimationCfgPlusPlus(path)), runDenoised(gradientEstimation(path)));
  const options = { ...path, process: varianceExploding, lowerOrderFinal: false };
  expectSame(end(dpmSolver2MCfgPlusPlus(path)), runDenoised(dpmSolverPlusPlusMultistep(options)));
});

test('a guided answer moves x̂₀ alone: the noise that is kept is the unguided one', () => {
  const sampler = eulerCfgPlusPlus({ ...path, sigmas: [10, 5], timesteps: [10] });
  const end = run(sampler, () => ({ denoised: precise(3), negative: precise(1) }));
  expectSame(end.data[0]!, 3 + 5 * ((8 - 1) / 10));
});

test('the singlestep orders are as many as the evaluations, and end low', () => {
  for (const order of [1, 2, 3] as const) {
    for (let count = order; count <= 12; count++) {
      const orders = singlestepOrders(count, order, true);
      expect(orders).toHaveLength(count);
      expect(orders[0]).toBe(1);
      expect(orders.at(-1)).toBeLessThanOrEqual(2);
    }
  }
  expect(singlestepOrders(6, 3, false)).toEqual([1, 2, 3, 1, 2, 3]);
});

const started: Record<string, (options: typeof path & { beginIndex?: number }) => Sampler> = {
  euler: (options) => euler(options),
  heun: (options) => heun(options),
  dpm2: (options) => dpm2(options),
  dpmSolverPlusPlusMultistep: (options) =>
    dpmSolverPlusPlusMultistep({ ...options, process: varianceExploding }),
  unipc: (options) => unipc({ ...options, process: varianceExploding }),
  lms: (options) => lms(options),
};

for (const [name, make] of Object.entries(started)) {
  test(`${name} entered in the middle is the same as over the rest of the levels`, () => {
    const rest = { ...path, sigmas: sigmas.slice(2), timesteps: path.timesteps.slice(2) };
    expectSame(runDenoised(make({ ...path, beginIndex: 2 })), runDenoised(make(rest)));
  });
}
