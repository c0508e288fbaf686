// DDPMScheduler.
import { askNetwork, withoutVariance } from '../ask-network.ts';
import { type DdpmVariance, ddpm } from '../ddpm.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import {
  type AlphaSpace,
  alphaCumprodAt,
  alphaSpacePlan,
  levelOfAlphaCumprod,
  sigmaOfAlphaCumprod,
  spaceIntegerTimesteps,
} from './alpha-space.ts';
import { readLimit } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import { readTimestepChoice } from './read-spacing.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType } from './sigma-space.ts';

/** Variances by the name that a config has for them; the logarithms are a matter of rounding. */
export const varianceTypes = {
  fixed_small: 'small',
  fixed_small_log: 'small',
  fixed_large: 'large',
  fixed_large_log: 'large',
  learned: 'learned',
  learned_range: 'learned_range',
} as const satisfies Record<string, DdpmVariance>;

export const ddpmScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'exact' });
  const predictionType = readPredictionType(config);
  const space: AlphaSpace = {
    className: config.className,
    noiseSchedule,
    predictionType,
    choice: readTimestepChoice(config, 'leading'),
    finalAlphaCumprod: 1,
  };
  const parameterization = createParameterization(
    predictionType,
    variancePreserving,
    readLimit(config, true),
  );
  // The names are the keys of the table.
  const names = Object.keys(varianceTypes) as (keyof typeof varianceTypes)[];
  const variance = varianceTypes[config.oneOf('variance_type', names, 'fixed_small')];
  const learnedVariance = variance === 'learned' || variance === 'learned_range';
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps'],
    plan: (options) =>
      alphaSpacePlan(
        space,
        options,
        options.timesteps ?? spaceIntegerTimesteps(space, options.numInferenceSteps!),
      ),
    sample({ ops, sample, plan, beginIndex, noise }) {
      const levels = [...plan.timesteps, -1].map((timestep) =>
        levelOfAlphaCumprod(alphaCumprodAt(space, timestep)),
      );
      const transitions = plan.timesteps.map((timestep, i) => ({
        timestep,
        from: levels[i]!,
        to: levels[i + 1]!,
      }));
      return askNetwork({
        ops,
        learnedVariance,
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
