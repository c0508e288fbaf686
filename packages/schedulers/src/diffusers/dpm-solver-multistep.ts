// DPMSolverMultistepScheduler.
import type { Tensor } from '@emulsion/tensor';
import { askForDenoised, askNetwork, withoutVariance } from '../ask-network.ts';
import { multistep } from '../dpm-solver-multistep.ts';
import {
  dataIntegrator,
  dpmSolverTypes,
  type ExponentialIntegrator,
  noiseIntegrator,
  stochasticDataIntegrator,
  stochasticNoiseIntegrator,
} from '../exponential-step.ts';
import type { Limit } from '../limit-denoised.ts';
import { betaSchedules } from '../noise-schedule.ts';
import { createParameterization, noiseOf, type Parameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import { interpolateTable } from '../sigma-table.ts';
import type { ConfigReader } from './config-reader.ts';
import { readThresholding } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SampleRequest, SchedulerClass } from './scheduler-parts.ts';
import {
  readSolverPredictionType,
  readSolverSpace,
  solverPlan,
  visitSolver,
  withMu,
} from './solver-space.ts';

/** Algorithms by the name that a config has for them. */
const algorithms = {
  'dpmsolver++': { integrator: dataIntegrator, answers: 'denoised', stochastic: false },
  dpmsolver: { integrator: noiseIntegrator, answers: 'noise', stochastic: false },
  'sde-dpmsolver++': { integrator: diffusersStochasticIntegrator, answers: 'denoised', stochastic: true },
  'sde-dpmsolver': { integrator: stochasticNoiseIntegrator, answers: 'noise', stochastic: true },
} as const;
export type DpmAlgorithm = keyof typeof algorithms;

/** In diffusers the weight of the second derivative, of order 3 only, lacks 1 (compare `stochasticDataIntegrator`). */
function diffusersStochasticIntegrator(...levels: Parameters<ExponentialIntegrator>) {
  const step = stochasticDataIntegrator(...levels);
  return { ...step, curvature: step.curvature - levels[1].alpha };
}

/** The keys about the solver, of the classes that solve with DPM-Solver. */
export function readDpmSolver(config: ConfigReader, available: readonly DpmAlgorithm[]) {
  const asked = config.oneOf('algorithm_type', [...available, 'deis' as const], 'dpmsolver++');
  const name = asked === 'deis' ? 'dpmsolver++' : asked;
  const type = config.oneOf('solver_type', [...dpmSolverTypes, 'logrho', 'bh1', 'bh2'] as const, 'midpoint');
  const order = config.integer('solver_order', 2, 1);
  if (order > 3) {
    config.contradiction(
      ['solver_order'],
      `"solver_order" is ${order}, the solver has orders 1 to 3. Choose one of those.`,
    );
  }
  const finalSigmas = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero');
  const algorithm = algorithms[name];
  if (algorithm.answers === 'noise' && finalSigmas === 'zero') {
    config.contradiction(
      ['algorithm_type', 'final_sigmas_type'],
      `"algorithm_type" is "${name}", which can't end without noise, and "final_sigmas_type" is "zero". Set it to "sigma_min", or take "dpmsolver++".`,
    );
  }
  if (name === 'sde-dpmsolver' && order === 3) {
    config.contradiction(
      ['algorithm_type', 'solver_order'],
      '"algorithm_type" is "sde-dpmsolver", which has orders 1 and 2, and "solver_order" is 3. Take 2, or "sde-dpmsolver++".',
    );
  }
  // Names of other solvers stand for the default, so that configs can be exchanged between the classes.
  const solverType = dpmSolverTypes.find((known) => known === type) ?? 'midpoint';
  return { ...algorithm, name, solverType, order: order as 1 | 2 | 3, finalSigmas };
}

/** The noise as DPM-Solver takes it: of x̂₀ within its limit, where there is one. */
export function limitedNoise(
  { ops }: Pick<SampleRequest, 'ops'>,
  parameterization: Parameterization,
  limit: Limit,
  modelOutput: Tensor,
  sample: Tensor,
  sigma: number,
): Tensor {
  if (limit.kind === 'none') return parameterization.noise(ops, modelOutput, sample, sigma);
  const denoised = parameterization.denoised(ops, modelOutput, sample, sigma);
  return noiseOf({ ops, denoised, sample, level: parameterization.process(sigma) });
}

export const dpmSolverMultistepScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'almost' });
  const space = readSolverSpace(config, noiseSchedule, { lu: true, lambdaMinClipped: true });
  const { integrator, answers, stochastic, solverType, order, finalSigmas } = readDpmSolver(config, [
    'dpmsolver++',
    'dpmsolver',
    'sde-dpmsolver++',
    'sde-dpmsolver',
  ]);
  const limit = readThresholding(config);
  const parameterization = createParameterization(
    readSolverPredictionType(config, space),
    space.process,
    limit,
  );
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  const eulerAtFinal = config.boolean('euler_at_final', false);
  const learnedVariance = config.optionalOneOf('variance_type', ['learned', 'learned_range']) !== undefined;
  // Spaced levels are at whole timesteps, but rounded down for the cosine schedule.
  const cosine = config.oneOf('beta_schedule', betaSchedules, 'linear') === 'squaredcos_cap_v2';
  const whole = cosine ? Math.trunc : roundHalfEven;
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas', 'mu'],
    sampleOptions: stochastic ? ['sNoise'] : [],
    plan(options) {
      const visits = visitSolver(withMu(space, options.mu), options, { karras: whole, lu: whole });
      const end = options.sigmas?.at(-1) ?? (finalSigmas === 'zero' ? 0 : noiseSchedule.sigmas[0]!);
      return solverPlan(config.className, options, visits, end);
    },
    sample({ ops, sample, plan, beginIndex, noise, sNoise = 1 }) {
      const sampler = multistep(integrator, {
        ...{ ops, sample, beginIndex, order, solverType, lowerOrderFinal, eulerAtFinal },
        ...{ sigmas: plan.sigmas, timesteps: plan.timesteps, process: space.process },
        ...(stochastic ? { noise, sNoise } : {}),
      });
      if (answers === 'denoised') return askForDenoised(sampler, { ops, parameterization, learnedVariance });
      return askNetwork({
        ops,
        sampler,
        learnedVariance,
        inputScale: parameterization.inputScale,
        toAnswer(modelOutput, { sample, sigma }) {
          const output = withoutVariance(ops, modelOutput, sample);
          return limitedNoise({ ops }, parameterization, limit, output, sample, sigma);
        },
      });
    },
    sigmaAt: (timestep) => trainingSigma(space, timestep),
  };
};

/** The noise level of a training timestep. */
export function trainingSigma(space: ReturnType<typeof readSolverSpace>, timestep: number): number {
  if (space.flowShift !== undefined) return timestep / space.noiseSchedule.sigmas.length;
  return interpolateTable(space.noiseSchedule.sigmas, timestep);
}
