// HeunDiscreteScheduler.
import { askForDenoised } from '../ask-network.ts';
import { heun } from '../heun.ts';
import { varianceExploding } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { once, twice } from './evaluation-pairs.ts';
import { readClipping } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType, readSigmaSpace, sigmaAt, sigmaSpacePlan, visit } from './sigma-space.ts';

export const heunDiscrete: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { betaStart: 0.00085, betaEnd: 0.012 });
  const space = readSigmaSpace(config, noiseSchedule);
  const limit = readClipping(config, false);
  const parameterization = createParameterization(readPredictionType(config), varianceExploding, limit);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    evaluationsPerStep: 2,
    plan(options) {
      const { timesteps, sigmas } = visit(space, options);
      const end = options.sigmas?.at(-1) ?? 0;
      return sigmaSpacePlan(space, options, twice(timesteps.map(Math.fround)), [...twice(sigmas), end]);
    },
    sample({ ops, sample, plan, beginIndex }) {
      const sampler = heun({
        ops,
        sample,
        sigmas: once(plan.sigmas),
        timesteps: once(plan.timesteps),
        beginIndex: beginIndex / 2,
      });
      return askForDenoised(sampler, { ops, parameterization });
    },
    sigmaAt: (timestep) => sigmaAt(space, timestep),
  };
};
