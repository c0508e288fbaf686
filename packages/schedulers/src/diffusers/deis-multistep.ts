// DEISMultistepScheduler.
import { deis } from '../deis.ts';
import { createParameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import { askForSolver } from './dpm-algorithms.ts';
import { readThresholding } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import {
  readShift,
  readSolverPredictionType,
  readSolverSpace,
  repeatedEnd,
  solverPlan,
  trainingSigma,
  visitSolver,
} from './solver-space.ts';

export const deisMultistep: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config);
  const space = readSolverSpace(config, noiseSchedule);
  const shiftOf = readShift(config, space);
  const limit = readThresholding(config);
  const parameterization = createParameterization(
    readSolverPredictionType(config, space),
    space.process,
    limit,
  );
  // Names of other solvers stand for this one, so that configs can be exchanged between the classes.
  config.oneOf('algorithm_type', ['deis', 'dpmsolver', 'dpmsolver++'], 'deis');
  config.oneOf('solver_type', ['logrho', 'midpoint', 'heun', 'bh1', 'bh2'], 'logrho');
  const order = config.integer('solver_order', 2, 1);
  if (order > 3) {
    config.contradiction(
      ['solver_order'],
      `"solver_order" is ${order}, the solver has orders 1 to 3. Choose one of those.`,
    );
  }
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas', 'mu'],
    plan(options) {
      const visits = visitSolver(shiftOf(options), options, { karras: roundHalfEven });
      return solverPlan(config.className, options, visits, repeatedEnd(space, options, visits));
    },
    sample({ ops, sample, plan, beginIndex }) {
      const { sigmas, timesteps } = plan;
      const path = { ops, sample, sigmas, timesteps, beginIndex, process: space.process };
      const sampler = deis({ ...path, order, lowerOrderFinal });
      return askForSolver(sampler, { ops, answers: 'noise', parameterization, limit });
    },
    sigmaAt: (timestep) => trainingSigma(space, timestep),
  };
};
