// ConsistencyDecoderScheduler: the two steps of the consistency decoder of OpenAI (Betker et al. 2023, DALL·E 3).
import { InvalidArgumentError } from '@emulsion/tensor';
import { askForDenoised } from '../ask-network.ts';
import { variancePreserving } from '../noise-level.ts';
import { createNoiseSchedule } from '../noise-schedule.ts';
import { noiseOf, type Parameterization } from '../parameterization.ts';
import { renoise } from '../renoise.ts';
import { levelOfAlphaCumprod, sigmaOfAlphaCumprod } from './alpha-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

/** The timesteps that the decoder was trained for. */
const timesteps = [1008, 512];

export const consistencyDecoder: SchedulerClass = (config) => {
  const numTrainTimesteps = config.integer('num_train_timesteps', 1024, timesteps[0]! + 1);
  const sigmaData = config.number('sigma_data', 0.5, { above: 0 });
  const noiseSchedule = createNoiseSchedule({
    numTrainTimesteps,
    betaStart: 0,
    betaEnd: 0,
    betaSchedule: 'squaredcos_cap_v2',
  });
  const { alphasCumprod } = noiseSchedule;
  // Preconditioned as in Karras et al. (2022), for samples of variance 1.
  const power = (sigma: number) => sigma ** 2 + sigmaData ** 2;
  const denoised: Parameterization['denoised'] = (ops, modelOutput, sample, sigma) => {
    const { alpha } = variancePreserving(sigma);
    const out = (sigma * sigmaData) / Math.sqrt(power(sigma));
    return ops.combine([sigmaData ** 2 / power(sigma) / alpha, sample], [out, modelOutput]);
  };
  const parameterization: Parameterization = {
    process: variancePreserving,
    inputScale: (sigma) => 1 / variancePreserving(sigma).alpha / Math.sqrt(power(sigma)),
    denoised,
    noise: (ops, modelOutput, sample, sigma) =>
      noiseOf({
        ops,
        denoised: denoised(ops, modelOutput, sample, sigma),
        sample,
        level: variancePreserving(sigma),
      }),
  };
  const sigmaAt = (timestep: number) => sigmaOfAlphaCumprod(alphasCumprod[timestep]!);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps'],
    plan(options) {
      if (options.numInferenceSteps !== timesteps.length) {
        throw new InvalidArgumentError(
          `${config.className}: numInferenceSteps is ${options.numInferenceSteps}, the decoder was trained for 2. Ask for 2.`,
        );
      }
      return {
        timesteps,
        sigmas: [...timesteps.map(sigmaAt), 0],
        initNoiseSigma: levelOfAlphaCumprod(alphasCumprod[timesteps[0]!]!).sigma,
        numInferenceSteps: timesteps.length,
        custom: false,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise }) {
      const rounds = plan.timesteps.map((timestep, i) => {
        const next = plan.timesteps[i + 1];
        const to = next === undefined ? undefined : levelOfAlphaCumprod(alphasCumprod[next]!);
        return { timestep, sigma: plan.sigmas[i]!, to };
      });
      return askForDenoised(renoise({ ops, sample, rounds, noise, beginIndex }), { ops, parameterization });
    },
    sigmaAt,
  };
};
