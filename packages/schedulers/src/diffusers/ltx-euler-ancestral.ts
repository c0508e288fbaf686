// LTXEulerAncestralRFScheduler.
import { askForDenoised } from '../ask-network.ts';
import { flowEulerAncestral } from '../flow-euler-ancestral.ts';
import {
  flowMatchSigmas,
  flowParameterization,
  flowTimestep,
  readFlowMatchSpace,
} from './flow-match-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const ltxEulerAncestral: SchedulerClass = (config) => {
  const space = readFlowMatchSpace(config);
  const configEta = config.number('eta', 1, { least: 0 });
  const configNoise = config.number('s_noise', 1, { least: 0 });
  return {
    parameterization: flowParameterization,
    planOptions: ['numInferenceSteps', 'sigmas', 'mu'],
    addsLastSigma: true,
    sampleOptions: ['eta', 'sNoise'],
    plan(options) {
      // Given levels are taken as they are, the last included.
      const sigmas = options.sigmas?.map(Math.fround) ?? [...flowMatchSigmas(space, options), 0];
      return {
        timesteps: sigmas.slice(0, -1).map((sigma) => flowTimestep(space, sigma)),
        sigmas,
        initNoiseSigma: 1,
        numInferenceSteps: sigmas.length - 1,
        custom: false,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = configEta, sNoise = configNoise }) {
      const { sigmas, timesteps } = plan;
      const sampler = flowEulerAncestral({ ops, sample, sigmas, timesteps, beginIndex, noise, eta, sNoise });
      return askForDenoised(sampler, { ops, parameterization: flowParameterization });
    },
    sigmaAt: (timestep) => timestep / space.numTrainTimesteps,
  };
};
