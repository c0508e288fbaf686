// IPNDMScheduler.
import { askForNoise } from '../ask-network.ts';
import { ipndm } from '../ipndm.ts';
import { linspaceFloat32 } from '../linspace.ts';
import type { NoiseProcess } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

/** Variance preserving, told apart by sigma itself. */
const bySigma: NoiseProcess = (sigma) => ({ alpha: Math.sqrt(1 - sigma ** 2), sigma });

export const ipndmScheduler: SchedulerClass = (config) => {
  config.integer('num_train_timesteps', 1000, 1);
  const trainedBetas = config.numbers('trained_betas');
  const parameterization = createParameterization('v_prediction', bySigma);
  return {
    parameterization,
    planOptions: ['numInferenceSteps'],
    plan(options) {
      const numInferenceSteps = options.numInferenceSteps!;
      if (trainedBetas && trainedBetas.length !== numInferenceSteps + 1) {
        config.contradiction(
          ['trained_betas'],
          `"trained_betas" has ${trainedBetas.length} entries, and ${numInferenceSteps} steps have ${numInferenceSteps + 1} noise levels. Ask for ${trainedBetas.length - 1} steps.`,
        );
      }
      const ramp = linspaceFloat32(1, 0, numInferenceSteps + 1);
      const sigmas =
        trainedBetas?.map(Math.fround) ??
        Array.from(ramp, (at) => Math.fround(Math.sin((at * Math.PI) / 2) ** 2));
      const angles = sigmas.map((sigma) => (Math.atan2(sigma, Math.sqrt(1 - sigma ** 2)) / Math.PI) * 2);
      const timesteps = angles.slice(0, -1).map(Math.fround);
      return { timesteps, sigmas, initNoiseSigma: 1, numInferenceSteps, custom: false };
    },
    sample({ ops, sample, plan, beginIndex }) {
      const { sigmas, timesteps } = plan;
      const sampler = ipndm({ ops, sample, sigmas, timesteps, beginIndex, process: bySigma });
      return askForNoise(sampler, { ops, parameterization });
    },
    sigmaAt: (timestep) => Math.sin((timestep * Math.PI) / 2),
  };
};
