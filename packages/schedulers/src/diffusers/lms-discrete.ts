// LMSDiscreteScheduler.
import { InvalidArgumentError } from '@emulsion/tensor';
import { askForDenoised } from '../ask-network.ts';
import { lms } from '../lms.ts';
import { varianceExploding } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType, readSigmaSpace, sigmaAt, sigmaSpacePlan, visit } from './sigma-space.ts';

export const lmsDiscrete: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config);
  const space = readSigmaSpace(config, noiseSchedule);
  const parameterization = createParameterization(readPredictionType(config), varianceExploding);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    sampleOptions: ['order'],
    plan(options) {
      const { timesteps, sigmas } = visit(space, options);
      const end = options.sigmas?.at(-1) ?? 0;
      return sigmaSpacePlan(space, options, timesteps.map(Math.fround), [...sigmas, end]);
    },
    sample({ ops, sample, plan, beginIndex, order = 4 }) {
      if (!Number.isInteger(order) || order < 1 || order > 4) {
        throw new InvalidArgumentError(
          `${config.className}: order is ${order}. Give an integer from 1 to 4.`,
        );
      }
      const { sigmas, timesteps } = plan;
      return askForDenoised(lms({ ops, sample, sigmas, timesteps, order, beginIndex, orderByPlace: true }), {
        ops,
        parameterization,
      });
    },
    sigmaAt: (timestep) => sigmaAt(space, timestep),
  };
};
