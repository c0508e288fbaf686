// DDPMWuerstchenScheduler: DDPM over continuous times (Pernias et al. 2023, Würstchen and Stable Cascade).
import { askNetwork } from '../ask-network.ts';
import { ddpm } from '../ddpm.ts';
import { linspaceFloat32 } from '../linspace.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { levelOfAlphaCumprod, sigmaOfAlphaCumprod } from './alpha-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const ddpmWuerstchen: SchedulerClass = (config) => {
  const scaler = config.number('scaler', 1, { above: 0 });
  const s = config.number('s', 0.008, { above: 0 });
  const parameterization = createParameterization('epsilon', variancePreserving);
  const cosine = (t: number) => Math.cos((((t + s) / (1 + s)) * Math.PI) / 2) ** 2;
  /** ᾱ at a time from 0 to 1, the cosine schedule of Nichol and Dhariwal. */
  const alphaCumprodAt = (time: number) => {
    const t = scaler > 1 ? 1 - (1 - time) ** scaler : time ** scaler;
    return Math.min(Math.max(cosine(t) / cosine(0), 0.0001), 0.9999);
  };
  return {
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps'],
    plan(options) {
      // The last time is where the last step ends; the network is not asked there.
      const timesteps = options.timesteps?.map(Math.fround) ?? [
        ...linspaceFloat32(1, 0, options.numInferenceSteps! + 1),
      ];
      return {
        timesteps,
        sigmas: timesteps.map((timestep) => sigmaOfAlphaCumprod(alphaCumprodAt(timestep))),
        initNoiseSigma: 1,
        numInferenceSteps: timesteps.length - 1,
        custom: options.timesteps !== undefined,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise }) {
      const levels = plan.timesteps.map((timestep) => levelOfAlphaCumprod(alphaCumprodAt(timestep)));
      const transitions = plan.timesteps.slice(0, -1).map((timestep, i) => {
        const quiet = plan.timesteps[i + 1] === 0;
        return { timestep, from: levels[i]!, to: levels[i + 1]!, quiet };
      });
      return askNetwork({
        ops,
        sampler: ddpm({ ops, sample, transitions, noise, beginIndex }),
        inputScale: parameterization.inputScale,
        toAnswer: (modelOutput, { sample, sigma }) => ({
          denoised: parameterization.denoised(ops, modelOutput, sample, sigma),
        }),
      });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(alphaCumprodAt(timestep)),
  };
};
