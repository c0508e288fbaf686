// DPMSolverMultistepInverseScheduler: from a picture back to the noise that it would be made from.
import { multistep } from '../dpm-solver-multistep.ts';
import { halvedCurvature } from '../exponential-step.ts';
import { linspace } from '../linspace.ts';
import { createParameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import { interpolateTable } from '../sigma-table.ts';
import { askForSolver, readDpmSolver, readLearnedVariance } from './dpm-algorithms.ts';
import { readThresholding } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import {
  readSolverPredictionType,
  readSolverSpace,
  solverPlan,
  trainingSigma,
  visitSolver,
} from './solver-space.ts';

export const dpmSolverMultistepInverse: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config);
  const space = readSolverSpace(config, noiseSchedule, { lambdaMinClipped: true });
  const solver = readDpmSolver(config, ['dpmsolver++', 'dpmsolver', 'sde-dpmsolver++', 'sde-dpmsolver']);
  const { answers, stochastic, solverType, order } = solver;
  const limit = readThresholding(config);
  const parameterization = createParameterization(
    readSolverPredictionType(config, space),
    space.process,
    limit,
  );
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  const eulerAtFinal = config.boolean('euler_at_final', false);
  const learnedVariance = readLearnedVariance(config);
  const { sigmas: table } = noiseSchedule;
  const last = space.lastTimestep - 1;
  if (stochastic) {
    config.contradiction(
      ['algorithm_type'],
      `"algorithm_type" is "${solver.name}", and noise can't be taken back. Take "dpmsolver++" or "dpmsolver".`,
    );
  }
  if (space.flowShift !== undefined) {
    config.contradiction(
      ['use_flow_sigmas'],
      '"use_flow_sigmas" is true, and the noise levels of a flow start at none at all, where this solver can\'t. Leave it out.',
    );
  }

  /** Ascending timesteps, of which one more than the steps is spaced and the highest left out. */
  function spaceAscending(steps: number): number[] {
    const { spacing, stepsOffset } = space.choice;
    if (spacing === 'linspace')
      return linspace(0, last, steps + 1)
        .slice(0, -1)
        .map(roundHalfEven);
    const stride = Math.floor((last + 1) / (steps + 1));
    return Array.from({ length: steps }, (_, i) => i * stride + stepsOffset);
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps'],
    plan(options) {
      const steps = options.numInferenceSteps!;
      if (space.sigmaSpacing || space.choice.spacing === 'trailing') {
        const descending = visitSolver(space, options, { karras: roundHalfEven });
        const [timesteps, sigmas] = [descending.timesteps.reverse(), descending.sigmas.reverse()];
        // A single step starts where several do.
        if (steps === 1 && space.sigmaSpacing) [timesteps[0], sigmas[0]] = [0, table[0]!];
        const end = space.sigmaSpacing ? sigmas.at(-1)! : table[last]!;
        return solverPlan(config.className, options, { timesteps, sigmas }, end);
      }
      const timesteps = spaceAscending(steps);
      const sigmas = timesteps.map((timestep) => interpolateTable(table, timestep));
      return solverPlan(config.className, options, { timesteps, sigmas }, table[last]!);
    },
    sample({ ops, sample, plan, beginIndex }) {
      const sampler = multistep(halvedCurvature(solver.integrator(0)), {
        ...{ ops, sample, beginIndex, order, solverType, lowerOrderFinal, eulerAtFinal },
        ...{ sigmas: plan.sigmas, timesteps: plan.timesteps, process: space.process },
      });
      return askForSolver(sampler, { ops, answers, parameterization, limit, learnedVariance });
    },
    sigmaAt: (timestep) => trainingSigma(space, timestep),
  };
};
