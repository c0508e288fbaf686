// SASolverScheduler.
import { createParameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import { middleTau, saSolver } from '../sa-solver.ts';
import { sigmaOfAlphaCumprod } from './alpha-space.ts';
import { askForSolver, readLearnedVariance } from './dpm-algorithms.ts';
import { readThresholding } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import {
  readSolverPredictionType,
  readSolverSpace,
  repeatedEnd,
  solverPlan,
  visitSolver,
} from './solver-space.ts';

export const saSolverScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config);
  const space = readSolverSpace(config, noiseSchedule, { lambdaMinClipped: true });
  const limit = readThresholding(config);
  const parameterization = createParameterization(
    readSolverPredictionType(config, space),
    space.process,
    limit,
  );
  const algorithm = config.oneOf(
    'algorithm_type',
    ['data_prediction', 'noise_prediction'],
    'data_prediction',
  );
  const predictDenoised = algorithm === 'data_prediction';
  const [predictorOrder, correctorOrder] = [
    config.integer('predictor_order', 2, 1),
    config.integer('corrector_order', 2, 1),
  ];
  if (Math.max(predictorOrder, correctorOrder) > 4) {
    config.contradiction(
      ['predictor_order', 'corrector_order'],
      `"predictor_order" is ${predictorOrder} and "corrector_order" ${correctorOrder}, the solver has orders 1 to 4. Choose from those.`,
    );
  }
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  const learnedVariance = readLearnedVariance(config);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    sampleOptions: ['tau', 'sNoise'],
    noisesByTimestep: true,
    plan(options) {
      const visits = visitSolver(space, options, { karras: roundHalfEven });
      return solverPlan(config.className, options, visits, repeatedEnd(space, options, visits));
    },
    sample({ ops, sample, plan, beginIndex, noise, sNoise = 1, tau = middleTau }) {
      const { sigmas, timesteps } = plan;
      const sampler = saSolver({
        ...{ ops, sample, sigmas, timesteps, beginIndex, process: space.process, noise, sNoise },
        ...{ predictorOrder, correctorOrder, predictDenoised, lowerOrderFinal },
        tau: typeof tau === 'number' ? () => tau : tau,
      });
      const answers = predictDenoised ? 'denoised' : 'noise';
      return askForSolver(sampler, { ops, answers, parameterization, limit, learnedVariance });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(noiseSchedule.alphasCumprod[timestep]!),
  };
};
