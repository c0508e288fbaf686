// DPMSolverSinglestepScheduler.
import { singlestep, singlestepOrders } from '../dpm-solver-singlestep.ts';
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

export const dpmSolverSinglestepScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config);
  const space = readSolverSpace(config, noiseSchedule, { lambdaMinClipped: true, timestepSpacing: false });
  const shiftOf = readShift(config, space);
  const solver = readDpmSolver(config, ['dpmsolver++', 'dpmsolver', 'sde-dpmsolver++']);
  const { answers, stochastic, solverType, order } = solver;
  const finalSigmas = readFinalSigmas(config, solver);
  const limit = readThresholding(config);
  const parameterization = createParameterization(
    readSolverPredictionType(config, space),
    space.process,
    limit,
  );
  const lowerOrderFinal = config.boolean('lower_order_final', false);
  const learnedVariance = readLearnedVariance(config);

  /** Steps that do not fill whole groups, or end without noise, end with lower orders. */
  function ordersOf(count: number, endsWithoutNoise: boolean): number[] {
    const orders = singlestepOrders(count, order, lowerOrderFinal || count % order !== 0 || endsWithoutNoise);
    return endsWithoutNoise ? [...orders.slice(0, -1), 1] : orders;
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas', 'mu'],
    sampleOptions: solver.sampleOptions,
    plan(options) {
      const visits = visitSolver(shiftOf(options), options, { karras: roundHalfEven });
      const end = options.sigmas?.at(-1) ?? (finalSigmas === 'zero' ? 0 : noiseSchedule.sigmas[0]!);
      return solverPlan(config.className, options, visits, end);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 1, sNoise = 1 }) {
      const { sigmas, timesteps } = plan;
      const sampler = singlestep(solver.integrator(eta), {
        ...{ ops, sample, sigmas, timesteps, beginIndex, solverType, process: space.process },
        orders: ordersOf(timesteps.length, sigmas.at(-1) === 0),
        ...(stochastic ? { noise, sNoise } : {}),
      });
      return askForSolver(sampler, { ops, answers, parameterization, limit, learnedVariance });
    },
    sigmaAt: (timestep) => trainingSigma(space, timestep),
  };
};
