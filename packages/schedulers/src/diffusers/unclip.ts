// UnCLIPScheduler.
import { InvalidArgumentError } from '@emulsion/tensor';
import { askNetwork, withoutVariance } from '../ask-network.ts';
import { type DdpmTransition, ddpm } from '../ddpm.ts';
import { variancePreserving } from '../noise-level.ts';
import { createNoiseSchedule } from '../noise-schedule.ts';
import { createParameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import {
  type AlphaSpace,
  alphaCumprodAt,
  alphaSpacePlan,
  levelOfAlphaCumprod,
  sigmaOfAlphaCumprod,
} from './alpha-space.ts';
import { varianceTypes } from './ddpm.ts';
import { readClipping } from './read-limit.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const unclipScheduler: SchedulerClass = (config) => {
  const numTrainTimesteps = config.integer('num_train_timesteps', 1000, 2);
  const betaSchedule = config.oneOf('beta_schedule', ['squaredcos_cap_v2'], 'squaredcos_cap_v2');
  const noiseSchedule = createNoiseSchedule({ numTrainTimesteps, betaStart: 0, betaEnd: 0, betaSchedule });
  const predictionType = config.oneOf('prediction_type', ['epsilon', 'sample'], 'epsilon');
  const variance =
    varianceTypes[config.oneOf('variance_type', ['fixed_small_log', 'learned_range'], 'fixed_small_log')];
  const parameterization = createParameterization(
    predictionType,
    variancePreserving,
    readClipping(config, true),
  );
  const space: AlphaSpace = {
    className: config.className,
    noiseSchedule,
    predictionType,
    choice: { spacing: 'linspace', stepsOffset: 0 },
    finalAlphaCumprod: 1,
  };

  /** A step from one timestep to another, with the schedule's β where they are neighbours. */
  function transition(timestep: number, next: number): DdpmTransition {
    const from = levelOfAlphaCumprod(alphaCumprodAt(space, timestep));
    const to = levelOfAlphaCumprod(alphaCumprodAt(space, next));
    return next === timestep - 1
      ? { timestep, from, to, beta: noiseSchedule.betas[timestep]! }
      : { timestep, from, to };
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps'],
    sampleOptions: ['strideOne'],
    plan(options) {
      const count = options.numInferenceSteps!;
      if (count < 2 || count > numTrainTimesteps) {
        throw new InvalidArgumentError(
          `${config.className}: numInferenceSteps is ${count}, the timesteps are spaced from the last to the first. Give an integer from 2 to ${numTrainTimesteps}.`,
        );
      }
      const stride = (numTrainTimesteps - 1) / (count - 1);
      const timesteps = Array.from({ length: count }, (_, i) => roundHalfEven((count - 1 - i) * stride));
      return alphaSpacePlan(space, options, timesteps);
    },
    sample({ ops, sample, plan, beginIndex, noise, strideOne = false }) {
      const transitions = plan.timesteps.map((timestep, i) =>
        transition(timestep, strideOne ? timestep - 1 : (plan.timesteps[i + 1] ?? timestep - 1)),
      );
      return askNetwork({
        ops,
        learnedVariance: variance === 'learned_range',
        sampler: ddpm({ ops, sample, transitions, noise, variance, beginIndex }),
        inputScale: parameterization.inputScale,
        toAnswer(modelOutput, { sample, sigma }) {
          const mean = withoutVariance(ops, modelOutput, sample);
          const denoised = parameterization.denoised(ops, mean, sample, sigma);
          if (mean === modelOutput) return { denoised };
          const channels = sample.dims[1]!;
          return { denoised, variance: ops.slice(modelOutput, channels, 2 * channels, 1) };
        },
      });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(noiseSchedule.alphasCumprod[timestep]!),
  };
};
