// LCMScheduler: sampling of latent consistency models (Luo et al. 2023).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import { askNetwork } from '../ask-network.ts';
import { renoise } from '../renoise.ts';
import { alphaCumprodAt, levelOfAlphaCumprod, sigmaOfAlphaCumprod } from './alpha-space.ts';
import {
  distilledPlan,
  distilledPlanOptions,
  originTimesteps,
  readDistilledSpace,
} from './distilled-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

/** The data's deviation in the boundary condition. */
const sigmaData = 0.5;

export const lcmScheduler: SchedulerClass = (config) => {
  const { space, parameterization, originalSteps } = readDistilledSpace(config);
  const timestepScaling = config.number('timestep_scaling', 10, { above: 0 });
  const { noiseSchedule } = space;

  /** The consistency function: x̂₀, but nearer to the sample itself close to timestep 0 (eq. 9). */
  function denoise(
    ops: TensorOps,
    modelOutput: Tensor,
    at: { sample: Tensor; sigma: number; timestep: number },
  ): Tensor {
    const denoised = parameterization.denoised(ops, modelOutput, at.sample, at.sigma);
    const scaled = at.timestep * timestepScaling;
    const power = scaled ** 2 + sigmaData ** 2;
    return ops.combine([scaled / Math.sqrt(power), denoised], [sigmaData ** 2 / power, at.sample]);
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions: distilledPlanOptions,
    plan(options) {
      const origin = originTimesteps(
        space,
        options.originalInferenceSteps ?? originalSteps,
        options.strength ?? 1,
      );
      return distilledPlan(space, options, origin);
    },
    sample({ ops, sample, plan, beginIndex, noise }) {
      const rounds = plan.timesteps.map((timestep, i) => {
        const next = plan.timesteps[i + 1];
        const to = next === undefined ? undefined : levelOfAlphaCumprod(alphaCumprodAt(space, next));
        return { timestep, sigma: plan.sigmas[i]!, to };
      });
      return askNetwork({
        ops,
        sampler: renoise({ ops, sample, rounds, noise, beginIndex }),
        inputScale: parameterization.inputScale,
        toAnswer: (modelOutput, question) => denoise(ops, modelOutput, question),
      });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(noiseSchedule.alphasCumprod[timestep]!),
    denoised: ({ ops, question, modelOutput }) =>
      denoise(ops, modelOutput, { ...question, sample: question.state }),
  };
};
