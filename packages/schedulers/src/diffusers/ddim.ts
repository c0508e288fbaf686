// DDIMScheduler.
import { askNetwork } from '../ask-network.ts';
import { ddim } from '../ddim.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization, noiseOf } from '../parameterization.ts';
import {
  type AlphaSpace,
  alphaSpacePlan,
  readFinalAlphaCumprod,
  sigmaOfAlphaCumprod,
  spaceIntegerTimesteps,
  strideTransitions,
} from './alpha-space.ts';
import { readLimit } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import { readTimestepChoice } from './read-spacing.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType } from './sigma-space.ts';

export const ddimScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'exact' });
  const predictionType = readPredictionType(config);
  const space: AlphaSpace = {
    className: config.className,
    noiseSchedule,
    predictionType,
    choice: readTimestepChoice(config, 'leading'),
    finalAlphaCumprod: readFinalAlphaCumprod(config, noiseSchedule, true),
  };
  const parameterization = createParameterization(
    predictionType,
    variancePreserving,
    readLimit(config, true),
  );
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps'],
    sampleOptions: ['eta', 'useClippedModelOutput'],
    plan: (options) =>
      alphaSpacePlan(
        space,
        options,
        options.timesteps ?? spaceIntegerTimesteps(space, options.numInferenceSteps!),
      ),
    sample({ ops, sample, plan, beginIndex, noise, eta = 0, useClippedModelOutput = false }) {
      const transitions = strideTransitions(space, plan);
      return askNetwork({
        ops,
        sampler: ddim({ ops, sample, transitions, beginIndex, eta, noise }),
        inputScale: parameterization.inputScale,
        toAnswer(modelOutput, { sample, sigma }) {
          const denoised = parameterization.denoised(ops, modelOutput, sample, sigma);
          const noise = useClippedModelOutput
            ? noiseOf({ ops, denoised, sample, level: variancePreserving(sigma) })
            : parameterization.noise(ops, modelOutput, sample, sigma);
          return { denoised, noise };
        },
      });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(noiseSchedule.alphasCumprod[timestep]!),
  };
};
