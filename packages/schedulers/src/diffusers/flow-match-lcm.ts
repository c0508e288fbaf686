// FlowMatchLCMScheduler: consistency sampling of a flow, which may grow between the steps.
import { type InterpolationMode, InvalidArgumentError, interpolationModes } from '@emulsion/tensor';
import { askForDenoised } from '../ask-network.ts';
import { rectifiedFlow } from '../noise-level.ts';
import { renoise } from '../renoise.ts';
import { roundHalfEven } from '../round-half-even.ts';
import {
  flowMatchSigmas,
  flowParameterization,
  flowTimestep,
  readFlowMatchSpace,
} from './flow-match-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const flowMatchLcm: SchedulerClass = (config) => {
  const space = readFlowMatchSpace(config);
  const scaleFactors = config.numbers('scale_factors') ?? [];
  const upscaleMode: InterpolationMode = config.oneOf('upscale_mode', interpolationModes, 'bicubic');
  return {
    parameterization: flowParameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas', 'mu'],
    addsLastSigma: true,
    plan(options) {
      const noisy = flowMatchSigmas(space, options);
      const sigmas = space.inverted ? noisy.map((sigma) => Math.fround(1 - sigma)) : noisy;
      const given = space.inverted ? undefined : options.timesteps?.map(Math.fround);
      return {
        timesteps: given ?? sigmas.map((sigma) => flowTimestep(space, sigma)),
        sigmas: [...sigmas, space.inverted ? 1 : 0],
        initNoiseSigma: 1,
        numInferenceSteps: sigmas.length,
        custom: options.timesteps !== undefined,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise }) {
      const { sigmas, timesteps } = plan;
      if (scaleFactors.length > 0 && timesteps.length !== scaleFactors.length + 1) {
        throw new InvalidArgumentError(
          `${config.className}: the plan has ${timesteps.length} steps, and the config ${scaleFactors.length} "scale_factors". Ask for ${scaleFactors.length + 1} steps.`,
        );
      }
      const size = sample.dims.slice(-2);
      const rounds = timesteps.map((timestep, i) => {
        const factor = scaleFactors[i];
        const [height, width] = size.map((dim) => roundHalfEven((factor ?? 1) * dim));
        const round = { timestep, sigma: sigmas[i]!, to: rectifiedFlow(sigmas[i + 1]!) };
        return factor === undefined ? round : { ...round, size: [height!, width!] as const };
      });
      const sampler = renoise({ ops, sample, rounds, noise, beginIndex, upscaleMode });
      return askForDenoised(sampler, { ops, parameterization: flowParameterization });
    },
    sigmaAt: (timestep) => timestep / space.numTrainTimesteps,
  };
};
