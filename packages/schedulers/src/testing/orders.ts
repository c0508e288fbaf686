// For tests: the orders of convergence that the samplers have, and how they are measured.
import { deis } from '../deis.ts';
import { dpmFast } from '../dpm-fast.ts';
import { dpmSolver2SAncestral } from '../dpm-solver-2s-ancestral.ts';
import {
  dpmSolverMultistep,
  dpmSolverPlusPlusMultistep,
  sdeDpmSolverPlusPlusMultistep,
} from '../dpm-solver-multistep.ts';
import { dpmSolverSde } from '../dpm-solver-sde.ts';
import { dpmSolverPlusPlusSinglestep, dpmSolverSinglestep } from '../dpm-solver-singlestep.ts';
import { dpm2, dpm2Ancestral } from '../dpm2.ts';
import { erSde } from '../er-sde.ts';
import { euler } from '../euler.ts';
import { eulerAncestral } from '../euler-ancestral.ts';
import { flowEuler } from '../flow-euler.ts';
import { flowEulerAncestral } from '../flow-euler-ancestral.ts';
import { flowHeun } from '../flow-heun.ts';
import { gradientEstimation } from '../gradient-estimation.ts';
import { heun } from '../heun.ts';
import { heunPlusPlus } from '../heun-plus-plus.ts';
import { ipndm } from '../ipndm.ts';
import { lms } from '../lms.ts';
import { type NoiseProcess, rectifiedFlow, varianceExploding, variancePreserving } from '../noise-level.ts';
import { pndm } from '../pndm.ts';
import { resMultistep } from '../res-multistep.ts';
import { restart } from '../restart.ts';
import { saSolver } from '../sa-solver.ts';
import type { Sampler, SamplerOptions } from '../sampler.ts';
import { seeds2, seeds3 } from '../seeds.ts';
import { unipc } from '../unipc.ts';
import {
  evenLevels,
  exactSolution,
  measuredOrder,
  noNoise,
  perfectDenoiser,
  precise,
  preciseOps,
  run,
  runDenoised,
  runNoise,
  silence,
} from './gaussian-problem.ts';

const start = 3;

interface Problem {
  process?: NoiseProcess;
  /** Short steps before the even ones. */
  gather?: number;
  /** Whether the answers are the noise. */
  noise?: boolean;
  from?: number;
  to?: number;
  /** Evaluations that make a step of the method, and those that are left over. */
  stages?: number;
  extra?: number;
}

/** Measures an order by halving this number of steps' size. */
type Measure = (steps?: number) => number;

type Make = (path: SamplerOptions & { timestepOf: (sigma: number) => number }) => Sampler;

/** The order of a sampler, measured over even steps in log sigma. */
function measure(make: Make, problem: Problem = {}): Measure {
  const {
    process = varianceExploding,
    gather = 0,
    noise = false,
    from = 10,
    to = 0.1,
    stages = 1,
    extra = 0,
  } = problem;
  return (halved) =>
    measuredOrder((steps) => {
      const sigmas = evenLevels(steps * stages + extra, { from, to, gather });
      const path = {
        ops: preciseOps,
        sample: precise(start),
        sigmas,
        timesteps: sigmas.slice(0, -1),
        timestepOf: (sigma: number) => sigma,
        process,
      };
      const end = (noise ? runNoise : runDenoised)(make(path), process);
      return end - exactSolution(start, process(sigmas[0]!), process(sigmas.at(-1)!));
    }, halved);
}

const vp = variancePreserving;

/** PNDM over the timesteps of a straight line in the angle between signal and noise. */
const pndmOrder: Measure = (halved) => {
  const level = (t: number) => ({ alpha: Math.cos(t), sigma: Math.sin(t) });
  return measuredOrder((count) => {
    const times = Array.from({ length: count + 1 }, (_, i) => 1.5 - (1.4 * i) / count);
    const at = times.map(level);
    const steps = times
      .slice(0, -1)
      .map((timestep, i) => ({ timestep, at: at[i]!, from: at[i]!, to: at[i + 1]! }));
    // The first step once more, from its end.
    const again = { timestep: times[1]!, at: at[1]!, from: at[0]!, to: at[1]! };
    const sampler = pndm({
      ops: preciseOps,
      sample: precise(start),
      steps: [steps[0]!, again, ...steps.slice(1)],
      rungeKuttaSteps: 0,
    });
    const end = run(sampler, (sample, sigma) => {
      const here = vp(sigma);
      const denoised = perfectDenoiser(sample, here);
      return preciseOps.combine([1 / here.sigma, sample], [-here.alpha / here.sigma, denoised]);
    });
    return end.data[0]! - exactSolution(start, at[0]!, at.at(-1)!);
  }, halved);
};

/** The flow samplers take the velocity, (x - x̂₀) / σ. */
function flowOrder(make: Make): Measure {
  return (halved) =>
    measuredOrder((steps) => {
      const sigmas = Array.from({ length: steps + 1 }, (_, i) => 0.95 - (0.9 * i) / steps);
      const path = { ops: preciseOps, sample: precise(start), sigmas, timesteps: sigmas.slice(0, -1) };
      const end = run(make({ ...path, timestepOf: (sigma) => sigma }), (sample, sigma) =>
        preciseOps.combine([1 / sigma, sample], [-1 / sigma, perfectDenoiser(sample, rectifiedFlow(sigma))]),
      );
      return end.data[0]! - exactSolution(start, rectifiedFlow(sigmas[0]!), rectifiedFlow(sigmas.at(-1)!));
    }, halved);
}

/** Full orders for a group of evaluations after another. */
const groups = (count: number, order: number) => Array.from({ length: count }, (_, i) => (i % order) + 1);

/** Every sampler whose order can be measured without noise. */
export const orders: readonly { name: string; order: number; measure: Measure }[] = [
  { name: 'euler', order: 1, measure: measure(euler) },
  { name: 'euler, variance preserving', order: 1, measure: measure(euler, { process: vp }) },
  { name: 'heun', order: 2, measure: measure(heun) },
  { name: 'dpm2', order: 2, measure: measure(dpm2) },
  { name: 'lms', order: 4, measure: measure(lms, { gather: 3 }) },
  { name: 'pndm', order: 2, measure: pndmOrder },
  { name: 'ipndm', order: 2, measure: measure((path) => ipndm(path), { noise: true }) },
  {
    name: 'dpmSolverPlusPlusMultistep 2',
    order: 2,
    measure: measure((path) => dpmSolverPlusPlusMultistep({ ...path, order: 2 }), { process: vp }),
  },
  {
    name: 'dpmSolverPlusPlusMultistep 3',
    order: 3,
    measure: measure((path) => dpmSolverPlusPlusMultistep({ ...path, order: 3 }), { process: vp, gather: 2 }),
  },
  {
    name: 'dpmSolverMultistep 3',
    order: 3,
    measure: measure((path) => dpmSolverMultistep({ ...path, order: 3 }), {
      process: vp,
      gather: 2,
      noise: true,
    }),
  },
  {
    name: 'sdeDpmSolverPlusPlusMultistep 3, eta 0',
    order: 3,
    measure: measure(
      (path) =>
        sdeDpmSolverPlusPlusMultistep({
          ...path,
          order: 3,
          eta: 0,
          noise: silence,
        }),
      { process: vp, gather: 2 },
    ),
  },
  {
    name: 'dpmSolverPlusPlusSinglestep 2',
    order: 2,
    measure: measure(
      (path) => dpmSolverPlusPlusSinglestep({ ...path, orders: groups(path.timesteps.length, 2) }),
      { process: vp, stages: 2 },
    ),
  },
  {
    name: 'dpmSolverSinglestep 3',
    order: 3,
    measure: measure((path) => dpmSolverSinglestep({ ...path, orders: groups(path.timesteps.length, 3) }), {
      process: vp,
      stages: 3,
      noise: true,
    }),
  },
  {
    name: 'deis 3',
    order: 3,
    measure: measure((path) => deis({ ...path, order: 3 }), { process: vp, gather: 2, noise: true }),
  },
  {
    name: 'unipc 2',
    order: 3,
    measure: measure((path) => unipc({ ...path, order: 2, lowerOrderFinal: false }), {
      process: vp,
      gather: 2,
    }),
  },
  {
    name: 'unipc 3',
    order: 4,
    measure: measure((path) => unipc({ ...path, order: 3, lowerOrderFinal: false }), {
      process: vp,
      gather: 3,
    }),
  },
  {
    name: 'saSolver 3 and 3, tau 0',
    order: 3,
    measure: measure(
      (path) =>
        saSolver({
          ...path,
          predictorOrder: 3,
          correctorOrder: 3,
          lowerOrderFinal: false,
          tau: () => 0,
          noise: silence,
        }),
      { process: vp, gather: 2 },
    ),
  },
  {
    name: 'dpmFast',
    order: 3,
    measure: measure((path) => dpmFast({ ...path, noise: noNoise }), { stages: 3, extra: 2 }),
  },
  {
    name: 'dpmSolver2SAncestral, eta 0',
    order: 2,
    measure: measure((path) =>
      dpmSolver2SAncestral({
        ...path,
        eta: 0,
        noise: silence,
      }),
    ),
  },
  { name: 'resMultistep', order: 2, measure: measure((path) => resMultistep(path)) },
  { name: 'gradientEstimation', order: 1, measure: measure((path) => gradientEstimation(path)) },
  { name: 'heunPlusPlus', order: 1, measure: measure(heunPlusPlus) },
  {
    name: 'seeds2, eta 0',
    order: 2,
    measure: measure((path) => seeds2({ ...path, eta: 0, noise: noNoise })),
  },
  {
    name: 'seeds3, eta 0',
    order: 3,
    measure: measure((path) => seeds3({ ...path, eta: 0, noise: noNoise })),
  },
  {
    name: 'erSde 3, no noise',
    order: 2,
    measure: measure(
      (path) =>
        erSde({
          ...path,
          noiseScale: (level) => level,
          noise: silence,
        }),
      { process: vp, gather: 2 },
    ),
  },
  {
    name: 'eulerAncestral, eta 0',
    order: 1,
    measure: measure((path) => eulerAncestral({ ...path, eta: 0, noise: silence })),
  },
  {
    name: 'dpm2Ancestral, eta 0',
    order: 2,
    measure: measure((path) => dpm2Ancestral({ ...path, eta: 0, noise: silence })),
  },
  {
    name: 'dpmSolverSde, eta 0',
    order: 2,
    measure: measure((path) => dpmSolverSde({ ...path, eta: 0, noise: silence })),
  },
  { name: 'restart, no ascent', order: 2, measure: measure((path) => restart({ ...path, noise: noNoise })) },
  {
    name: 'flowEulerAncestral, eta 0',
    order: 1,
    measure: measure((path) => flowEulerAncestral({ ...path, eta: 0, noise: noNoise }), {
      process: rectifiedFlow,
      from: 0.95,
    }),
  },
  { name: 'flowEuler', order: 1, measure: flowOrder(flowEuler) },
  { name: 'flowHeun', order: 2, measure: flowOrder(flowHeun) },
];
