// FlowMatchEulerDiscreteScheduler.
import { askForDenoised, askNetwork } from '../ask-network.ts';
import { flowEuler } from '../flow-euler.ts';
import { rectifiedFlow } from '../noise-level.ts';
import { renoise } from '../renoise.ts';
import {
  flowMatchSigmas,
  flowParameterization,
  flowTimestep,
  readFlowMatchSpace,
} from './flow-match-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const flowMatchEulerDiscrete: SchedulerClass = (config) => {
  const space = readFlowMatchSpace(config);
  const stochastic = config.boolean('stochastic_sampling', false);
  return {
    parameterization: flowParameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas', 'mu'],
    addsLastSigma: true,
    plan(options) {
      const noisy = flowMatchSigmas(space, options);
      const sigmas = space.inverted ? noisy.map((sigma) => Math.fround(1 - sigma)) : noisy;
      return {
        timesteps: sigmas.map((sigma) => flowTimestep(space, sigma)),
        sigmas: [...sigmas, space.inverted ? 1 : 0],
        initNoiseSigma: 1,
        numInferenceSteps: sigmas.length,
        custom: options.timesteps !== undefined,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise }) {
      const { sigmas, timesteps } = plan;
      if (stochastic) {
        const rounds = timesteps.map((timestep, i) => ({
          timestep,
          sigma: sigmas[i]!,
          to: rectifiedFlow(sigmas[i + 1]!),
        }));
        const sampler = renoise({ ops, sample, rounds, noise, beginIndex });
        return askForDenoised(sampler, { ops, parameterization: flowParameterization });
      }
      return askNetwork({
        ops,
        sampler: flowEuler({ ops, sample, sigmas, timesteps, beginIndex }),
        inputScale: flowParameterization.inputScale,
        toAnswer: (modelOutput) => modelOutput,
      });
    },
    sigmaAt: (timestep) => timestep / space.numTrainTimesteps,
  };
};
