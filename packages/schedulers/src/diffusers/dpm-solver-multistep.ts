// DPMSolverMultistepScheduler.
import { multistep } from '../dpm-solver-multistep.ts';
import { halvedCurvature } from '../exponential-step.ts';
import { betaSchedules } from '../noise-schedule.ts';
import { createParameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import { askForSolver, readDpmSolver, readFinalSigmas, readLearnedVariance } from './dpm-algorithms.ts';
import { readThresholding } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import {
  readShift,
  readSolverPredictionType,
  readSolverSpace,
  solverPlan,
  trainingSigma,
  visitSolver,
} from './solver-space.ts';

export const dpmSolverMultistepScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'almost' });
  const space = readSolverSpace(config, noiseSchedule, { lu: true, lambdaMinClipped: true });
  const shiftOf = readShift(config, space);
  const solver = readDpmSolver(config, ['dpmsolver++', 'dpmsolver', 'sde-dpmsolver++', 'sde-dpmsolver']);
  const { answers, stochastic, solverType, order } = solver;
  const finalSigmas = readFinalSigmas(config, solver);
  const limit = readThresholding(config);
  const parameterization = createParameterization(
    readSolverPredictionType(config, space),
    space.process,
    limit,
  );
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  const eulerAtFinal = config.boolean('euler_at_final', false);
  const learnedVariance = readLearnedVariance(config);
  // Spaced levels are at whole timesteps, but rounded down for the cosine schedule.
  const cosine = config.oneOf('beta_schedule', betaSchedules, 'linear') === 'squaredcos_cap_v2';
  const whole = cosine ? Math.trunc : roundHalfEven;
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas', 'mu'],
    sampleOptions: solver.sampleOptions,
    plan(options) {
      const visits = visitSolver(shiftOf(options), options, { karras: whole, lu: whole });
      const end = options.sigmas?.at(-1) ?? (finalSigmas === 'zero' ? 0 : noiseSchedule.sigmas[0]!);
      return solverPlan(config.className, options, visits, end);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 1, sNoise = 1 }) {
      const sampler = multistep(halvedCurvature(solver.integrator(eta)), {
        ...{ ops, sample, beginIndex, order, solverType, lowerOrderFinal, eulerAtFinal },
        ...{ sigmas: plan.sigmas, timesteps: plan.timesteps, process: space.process },
        ...(stochastic ? { noise, sNoise } : {}),
      });
      return askForSolver(sampler, { ops, answers, parameterization, limit, learnedVariance });
    },
    sigmaAt: (timestep) => trainingSigma(space, timestep),
  };
};
