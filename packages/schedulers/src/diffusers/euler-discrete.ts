// EulerDiscreteScheduler.
import { askForDenoised, askNetwork } from '../ask-network.ts';
import { euler } from '../euler.ts';
import { lateChurnEuler } from '../late-churn-euler.ts';
import { varianceExploding } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType, readSigmaSpace, sigmaAt, sigmaSpacePlan, visit } from './sigma-space.ts';

export const eulerDiscrete: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { zeroSnr: 'almost' });
  const logLinear = config.oneOf('interpolation_type', ['linear', 'log_linear'], 'linear') === 'log_linear';
  const space = { ...readSigmaSpace(config, noiseSchedule), logLinear };
  const predictionType = readPredictionType(config);
  const parameterization = createParameterization(predictionType, varianceExploding);
  const timestepType = config.oneOf('timestep_type', ['discrete', 'continuous'], 'discrete');
  const continuous = timestepType === 'continuous' && predictionType === 'v_prediction';
  const finalSigmas = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero');
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    sampleOptions: ['sChurn', 'sTmin', 'sTmax', 'sNoise'],
    plan(options) {
      const { timesteps, sigmas } = visit(space, options);
      const end = options.sigmas?.at(-1) ?? (finalSigmas === 'zero' ? 0 : noiseSchedule.sigmas[0]!);
      const fed = continuous ? sigmas.map((sigma) => 0.25 * Math.log(Math.fround(sigma))) : timesteps;
      return sigmaSpacePlan(space, options, fed.map(Math.fround), [...sigmas, end]);
    },
    sample({ ops, sample, plan, beginIndex, noise, sChurn = 0, sTmin = 0, sTmax = Infinity, sNoise = 1 }) {
      const path = { ops, sample, sigmas: plan.sigmas, timesteps: plan.timesteps, beginIndex };
      if (sChurn === 0) return askForDenoised(euler(path), { ops, parameterization });
      const sampler = lateChurnEuler({
        ...path,
        ...{ noise, sChurn, sTmin, sTmax, sNoise },
        // A v-prediction is taken for that of the level before the noise.
        toDenoised: (output, sampleHat, sigmaHat, sigma) =>
          parameterization.denoised(
            ops,
            output,
            sampleHat,
            predictionType === 'v_prediction' ? sigma : sigmaHat,
          ),
      });
      const { inputScale } = parameterization;
      return askNetwork({ ops, sampler, inputScale, toAnswer: (modelOutput) => modelOutput });
    },
    sigmaAt: (timestep) => (continuous ? Math.exp(4 * timestep) : sigmaAt(space, timestep)),
  };
};
