// TCDScheduler.
import { InvalidArgumentError } from '@emulsion/tensor';
import { askNetwork } from '../ask-network.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { tcd } from '../tcd.ts';
import { alphaCumprodAt, levelOfAlphaCumprod, sigmaOfAlphaCumprod } from './alpha-space.ts';
import {
  distilledPlan,
  distilledPlanOptions,
  originTimesteps,
  readDistilledSpace,
} from './distilled-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const tcdScheduler: SchedulerClass = (config) => {
  const { space, originalSteps } = readDistilledSpace(config);
  const { noiseSchedule, predictionType } = space;
  // As in diffusers, clipping and thresholding are keys of the config without an effect.
  const parameterization = createParameterization(predictionType, variancePreserving);
  const numTrainTimesteps = noiseSchedule.betas.length;
  const level = (timestep: number) => levelOfAlphaCumprod(alphaCumprodAt(space, timestep));
  return {
    noiseSchedule,
    parameterization,
    planOptions: distilledPlanOptions,
    sampleOptions: ['eta'],
    plan(options) {
      const { originalInferenceSteps, strength = 1 } = options;
      // Where the steps of the distillation are given, every timestep is one to choose from.
      const origin =
        originalInferenceSteps === undefined
          ? originTimesteps(space, originalSteps, strength)
          : Array.from({ length: Math.trunc(numTrainTimesteps * strength) }, (_, i) => i);
      return distilledPlan(space, options, origin);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 0.3 }) {
      if (eta > 1) {
        throw new InvalidArgumentError(`${config.className}: eta is ${eta}. Give a number from 0 to 1.`);
      }
      const rounds = plan.timesteps.map((timestep, i) => {
        const next = plan.timesteps[i + 1] ?? 0;
        return { timestep, from: level(timestep), s: level(Math.floor((1 - eta) * next)), to: level(next) };
      });
      return askNetwork({
        ops,
        sampler: tcd({ ops, sample, rounds, noise, stochastic: eta > 0, beginIndex }),
        inputScale: parameterization.inputScale,
        toAnswer: (modelOutput, { sample, sigma }) => ({
          denoised: parameterization.denoised(ops, modelOutput, sample, sigma),
          noise: parameterization.noise(ops, modelOutput, sample, sigma),
        }),
      });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(noiseSchedule.alphasCumprod[timestep]!),
  };
};
