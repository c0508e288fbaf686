// UniPCMultistepScheduler.

import { InvalidArgumentError } from '@emulsion/tensor';
import { askForDenoised, askForNoise } from '../ask-network.ts';
import { stretchToTerminal, timeShift, timeShiftTypes } from '../flow-sigmas.ts';
import { linspace } from '../linspace.ts';
import { createParameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import type { PlanOptions } from '../scheduler.ts';
import { unipc, unipcTypes } from '../unipc.ts';
import { readThresholding } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import { spaceSigmas } from './read-spacing.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import {
  readSolverPredictionType,
  readSolverSpace,
  type SolverVisits,
  solverPlan,
  trainingSigma,
  visitSolver,
} from './solver-space.ts';

/** How far the first level of a flow is kept from pure noise, where λ is infinite. */
const flowMargin = 1e-6;

export const unipcMultistep: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'almost' });
  const space = readSolverSpace(config, noiseSchedule, { karrasFlow: true });
  const { flowShift, sigmaSpacing } = space;
  const predictDenoised = config.boolean('predict_x0', true);
  const parameterization = createParameterization(
    readSolverPredictionType(config, space),
    space.process,
    readThresholding(config),
  );
  const type = config.oneOf('solver_type', [...unipcTypes, 'midpoint', 'heun', 'logrho'] as const, 'bh2');
  const solverType = unipcTypes.find((known) => known === type) ?? 'bh2';
  const order = config.integer('solver_order', 2, 1);
  const lowerOrderFinal = config.boolean('lower_order_final', true);
  const disableCorrector = config.numbers('disable_corrector') ?? [];
  const finalSigmas = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero');
  const dynamic = config.boolean('use_dynamic_shifting', false);
  const timeShiftType = config.oneOf('time_shift_type', timeShiftTypes, 'exponential');
  const terminal = config.optionalNumber('shift_terminal');
  const numTrainTimesteps = noiseSchedule.betas.length;
  if (config.has('solver_p')) {
    config.contradiction(
      ['solver_p'],
      '"solver_p" names another scheduler as the predictor, which is not supported. Leave it out.',
    );
  }
  if (terminal !== undefined && flowShift === undefined) {
    config.contradiction(
      ['shift_terminal', 'use_flow_sigmas'],
      '"shift_terminal" is set and "use_flow_sigmas" is not true. It shifts the levels of a flow: leave it out, or set "use_flow_sigmas".',
    );
  }
  if (finalSigmas === 'zero' && (!predictDenoised || (!lowerOrderFinal && order > 1))) {
    config.contradiction(
      ['final_sigmas_type', predictDenoised ? 'lower_order_final' : 'predict_x0'],
      `"final_sigmas_type" is "zero" and "${predictDenoised ? 'lower_order_final' : 'predict_x0'}" is false, with which the last step would divide by zero. Set "final_sigmas_type" to "sigma_min".`,
    );
  }

  /** Levels of a flow: given or evenly spaced, then shifted. */
  function flowVisits(options: PlanOptions, shift: number): SolverVisits {
    const given = options.sigmas?.at(-1) === 0 ? options.sigmas.slice(0, -1) : options.sigmas;
    const even = given ?? linspace(1, 1 / numTrainTimesteps, options.numInferenceSteps! + 1).slice(0, -1);
    const shifted = even.map((sigma) =>
      timeShift(sigma, dynamic ? options.mu! : shift, dynamic ? timeShiftType : 'linear'),
    );
    const [first, ...rest] = terminal ? stretchToTerminal(shifted, terminal) : shifted;
    const sigmas = [Math.abs(first! - 1) < flowMargin ? first! - flowMargin : first!, ...rest];
    return { sigmas, timesteps: sigmas.map((sigma) => Math.trunc(sigma * numTrainTimesteps)) };
  }

  /** Karras' levels, of noise to signal, made into those of a flow. */
  function karrasFlowVisits(steps: number): SolverVisits {
    const { sigmas: table } = noiseSchedule;
    const [sigmaMin, sigmaMax] = [space.sigmaMin ?? table[0]!, space.sigmaMax ?? table.at(-1)!];
    const sigmas = spaceSigmas('karras', { steps, sigmaMin, sigmaMax, table }).map(
      (sigma) => sigma / (sigma + 1),
    );
    return { sigmas, timesteps: sigmas.map((sigma) => Math.trunc(sigma * numTrainTimesteps)) };
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions:
      flowShift === undefined
        ? ['numInferenceSteps', 'timesteps', 'sigmas']
        : ['numInferenceSteps', 'sigmas', 'mu'],
    plan(options) {
      if (dynamic && options.mu === undefined) {
        throw new InvalidArgumentError(
          `${config.className}: mu is missing, the config says that the levels are shifted by it ("use_dynamic_shifting"). Give plan a mu.`,
        );
      }
      const visits =
        flowShift === undefined
          ? visitSolver(space, options, { karras: roundHalfEven })
          : sigmaSpacing
            ? karrasFlowVisits(options.numInferenceSteps ?? options.sigmas!.length)
            : flowVisits(options, flowShift);
      const spaced = sigmaSpacing !== undefined || flowShift !== undefined;
      const least = spaced ? visits.sigmas.at(-1)! : noiseSchedule.sigmas[0]!;
      const given = flowShift === undefined ? options.sigmas?.at(-1) : undefined;
      return solverPlan(config.className, options, visits, given ?? (finalSigmas === 'zero' ? 0 : least));
    },
    sample({ ops, sample, plan, beginIndex }) {
      const sampler = unipc({
        ...{ ops, sample, beginIndex, order, solverType, predictDenoised, lowerOrderFinal, disableCorrector },
        ...{ sigmas: plan.sigmas, timesteps: plan.timesteps, process: space.process },
      });
      return (predictDenoised ? askForDenoised : askForNoise)(sampler, { ops, parameterization });
    },
    sigmaAt: (timestep) => trainingSigma(space, timestep),
  };
};
