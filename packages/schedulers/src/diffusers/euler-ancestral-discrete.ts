// EulerAncestralDiscreteScheduler.
import { askForDenoised } from '../ask-network.ts';
import { eulerAncestral } from '../euler-ancestral.ts';
import { varianceExploding } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType, readSigmaSpace, sigmaAt, sigmaSpacePlan, visit } from './sigma-space.ts';

export const eulerAncestralDiscrete: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'almost' });
  const space = readSigmaSpace(config, noiseSchedule);
  const parameterization = createParameterization(readPredictionType(config), varianceExploding);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    sampleOptions: ['eta', 'sNoise'],
    plan(options) {
      const { timesteps, sigmas } = visit(space, options);
      const end = options.sigmas?.at(-1) ?? 0;
      return sigmaSpacePlan(space, options, timesteps.map(Math.fround), [...sigmas, end]);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 1, sNoise = 1 }) {
      const { sigmas, timesteps } = plan;
      const sampler = eulerAncestral({ ops, sample, sigmas, timesteps, beginIndex, noise, eta, sNoise });
      return askForDenoised(sampler, { ops, parameterization });
    },
    sigmaAt: (timestep) => sigmaAt(space, timestep),
  };
};
