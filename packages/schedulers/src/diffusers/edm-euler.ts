// EDMEulerScheduler.
import { askForDenoised, askNetwork } from '../ask-network.ts';
import { euler } from '../euler.ts';
import { lateChurnEuler } from '../late-churn-euler.ts';
import {
  edmDefaults,
  edmPlan,
  edmSigmas,
  quarterLog,
  readEdmParameterization,
  readEdmSpace,
} from './edm-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const edmEuler: SchedulerClass = (config) => {
  const space = readEdmSpace(config, edmDefaults);
  const parameterization = readEdmParameterization(config, edmDefaults);
  return {
    parameterization,
    planOptions: ['numInferenceSteps', 'sigmas'],
    sampleOptions: ['sChurn', 'sTmin', 'sTmax', 'sNoise'],
    plan(options) {
      const sigmas = edmSigmas(space, options, 'float64');
      const end = space.finalSigmas === 'zero' ? 0 : sigmas.at(-1)!;
      return edmPlan(space, options, sigmas, end, quarterLog);
    },
    sample({ ops, sample, plan, beginIndex, noise, sChurn = 0, sTmin = 0, sTmax = Infinity, sNoise = 1 }) {
      const path = { ops, sample, sigmas: plan.sigmas, timesteps: plan.timesteps, beginIndex };
      if (sChurn === 0) return askForDenoised(euler(path), { ops, parameterization });
      const sampler = lateChurnEuler({
        ...path,
        ...{ noise, sChurn, sTmin, sTmax, sNoise },
        toDenoised: (output, sampleHat, sigmaHat) =>
          parameterization.denoised(ops, output, sampleHat, sigmaHat),
      });
      const { inputScale } = parameterization;
      return askNetwork({ ops, sampler, inputScale, toAnswer: (modelOutput) => modelOutput });
    },
    sigmaAt: (timestep) => Math.exp(4 * timestep),
  };
};
