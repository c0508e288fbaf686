// EDMDPMSolverMultistepScheduler and CosineDPMSolverMultistepScheduler.
import { multistep } from '../dpm-solver-multistep.ts';
import { halvedCurvature } from '../exponential-step.ts';
import { varianceExploding } from '../noise-level.ts';
import { askForSolver, readDpmSolver } from './dpm-algorithms.ts';
import {
  edmDefaults,
  edmPlan,
  edmSigmas,
  quarterLog,
  readEdmParameterization,
  readEdmSpace,
} from './edm-space.ts';
import { readThresholding } from './read-limit.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const edmDpmSolverMultistep: SchedulerClass = (config) => {
  const space = readEdmSpace(config, edmDefaults);
  const limit = readThresholding(config);
  const parameterization = readEdmParameterization(config, edmDefaults, limit);
  const solver = readDpmSolver(config, ['dpmsolver++', 'sde-dpmsolver++']);
  const { answers, stochastic, solverType, order } = solver;
  if (stochastic && order === 3) {
    config.contradiction(
      ['algorithm_type', 'solver_order'],
      `"algorithm_type" is "${solver.name}", which has orders 1 and 2 here, and "solver_order" is 3. Take 2, or "dpmsolver++".`,
    );
  }
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  const eulerAtFinal = config.boolean('euler_at_final', false);
  return {
    parameterization,
    planOptions: ['numInferenceSteps', 'sigmas'],
    sampleOptions: solver.sampleOptions,
    plan(options) {
      const end = space.finalSigmas === 'zero' ? 0 : space.sigmaMin;
      return edmPlan(space, options, edmSigmas(space, options, 'float32'), end, quarterLog);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 1, sNoise = 1 }) {
      const sampler = multistep(halvedCurvature(solver.integrator(eta)), {
        ...{ ops, sample, beginIndex, order, solverType, lowerOrderFinal, eulerAtFinal },
        ...{ sigmas: plan.sigmas, timesteps: plan.timesteps, process: varianceExploding },
        ...(stochastic ? { noise, sNoise } : {}),
      });
      return askForSolver(sampler, { ops, answers, parameterization, limit });
    },
    sigmaAt: (timestep) => Math.exp(4 * timestep),
  };
};

const cosineDefaults = {
  sigmaMin: 0.3,
  sigmaMax: 500,
  sigmaData: 1,
  schedule: 'exponential',
  predictionType: 'v_prediction',
} as const;

/** The scheduler of Stable Audio: SDE-DPM-Solver++ along a Brownian path, with angles for the time. */
export const cosineDpmSolverMultistep: SchedulerClass = (config) => {
  const space = readEdmSpace(config, cosineDefaults);
  const parameterization = readEdmParameterization(config, cosineDefaults);
  const solver = readDpmSolver(config, ['sde-dpmsolver++'], 2);
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  const eulerAtFinal = config.boolean('euler_at_final', false);
  return {
    parameterization,
    planOptions: ['numInferenceSteps', 'sigmas'],
    sampleOptions: solver.sampleOptions,
    plan(options) {
      const end = space.finalSigmas === 'zero' ? 0 : space.sigmaMin;
      const angle = (sigma: number) => (Math.atan(sigma) / Math.PI) * 2;
      return edmPlan(space, options, edmSigmas(space, options, 'float32'), end, angle);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 1, sNoise = 1 }) {
      const { order, solverType } = solver;
      const sampler = multistep(halvedCurvature(solver.integrator(eta)), {
        ...{ ops, sample, beginIndex, order, solverType, lowerOrderFinal, eulerAtFinal },
        ...{ sigmas: plan.sigmas, timesteps: plan.timesteps, process: varianceExploding },
        ...{ noise, sNoise },
      });
      return askForSolver(sampler, { ops, answers: 'denoised', parameterization, limit: { kind: 'none' } });
    },
    sigmaAt: (timestep) => Math.tan((timestep * Math.PI) / 2),
  };
};
