// DDIMInverseScheduler.
import { askNetwork } from '../ask-network.ts';
import { ddim } from '../ddim.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import type { Transition } from '../transition.ts';
import {
  type AlphaSpace,
  alphaCumprodAt,
  assertUsable,
  levelOfAlphaCumprod,
  readFinalAlphaCumprod,
  sigmaOfAlphaCumprod,
  spaceIntegerTimesteps,
} from './alpha-space.ts';
import { readClipping } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType } from './sigma-space.ts';

export const ddimInverse: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'exact' });
  const predictionType = readPredictionType(config);
  const spacing = config.oneOf('timestep_spacing', ['leading', 'trailing'], 'leading');
  const oldName = config.has('set_alpha_to_zero') ? config.boolean('set_alpha_to_zero', true) : undefined;
  const finalAlphaCumprod = readFinalAlphaCumprod(config, noiseSchedule, true);
  const space: AlphaSpace = {
    className: config.className,
    noiseSchedule,
    predictionType,
    choice: { spacing, stepsOffset: config.integer('steps_offset', 0) },
    finalAlphaCumprod:
      oldName === undefined ? finalAlphaCumprod : oldName ? 1 : noiseSchedule.alphasCumprod[0]!,
  };
  if (predictionType === 'sample' && space.finalAlphaCumprod === 1) {
    config.contradiction(
      ['prediction_type', 'set_alpha_to_one'],
      '"prediction_type" is "sample" and "set_alpha_to_one" is true: the first step starts without noise, of which a predicted sample says nothing. Set "set_alpha_to_one" to false.',
    );
  }
  const parameterization = createParameterization(
    predictionType,
    variancePreserving,
    readClipping(config, true),
  );
  const numTrainTimesteps = noiseSchedule.betas.length;

  /** Each step ends at its timestep, and starts a whole stride below it. */
  function inverseTransitions(timesteps: readonly number[], numInferenceSteps: number): Transition[] {
    const stride = Math.floor(numTrainTimesteps / numInferenceSteps);
    return timesteps.map((timestep) => ({
      timestep,
      from: levelOfAlphaCumprod(alphaCumprodAt(space, Math.min(timestep - stride, numTrainTimesteps - 1))),
      to: levelOfAlphaCumprod(alphaCumprodAt(space, timestep)),
    }));
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps'],
    plan(options) {
      const numInferenceSteps = options.numInferenceSteps!;
      const timesteps = spaceIntegerTimesteps(space, numInferenceSteps).reverse();
      assertUsable(space, timesteps);
      const transitions = inverseTransitions(timesteps, numInferenceSteps);
      const levels = [transitions[0]!.from, ...transitions.map(({ to }) => to)];
      const sigmas = levels.map(({ alpha, sigma }) => sigma / alpha);
      return { timesteps, sigmas, initNoiseSigma: 1, numInferenceSteps, custom: false };
    },
    sample({ ops, sample, plan, beginIndex }) {
      const transitions = inverseTransitions(plan.timesteps, plan.numInferenceSteps);
      return askNetwork({
        ops,
        sampler: ddim({ ops, sample, transitions, beginIndex }),
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
