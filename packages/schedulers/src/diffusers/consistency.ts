// CMStochasticIterativeScheduler.
import { InvalidArgumentError } from '@emulsion/tensor';
import { askForDenoised } from '../ask-network.ts';
import { type Limit, limitDenoised } from '../limit-denoised.ts';
import { varianceExploding } from '../noise-level.ts';
import { noiseOf, type Parameterization } from '../parameterization.ts';
import { renoise } from '../renoise.ts';
import { karrasRamp } from './edm-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const cmStochasticIterative: SchedulerClass = (config) => {
  const numTrainTimesteps = config.integer('num_train_timesteps', 40, 2);
  const sigmaMin = config.number('sigma_min', 0.002, { above: 0 });
  const sigmaMax = config.number('sigma_max', 80, { above: 0 });
  const sigmaData = config.number('sigma_data', 0.5, { above: 0 });
  const rho = config.number('rho', 7, { above: 0 });
  const noiseFactor = config.number('s_noise', 1, { least: 0 });
  const limit: Limit = config.boolean('clip_denoised', true) ? { kind: 'clip', range: 1 } : { kind: 'none' };
  const parameterization = createConsistencyParameterization(sigmaMin, sigmaData, limit);
  const timestepOf = (sigma: number) => 250 * Math.log(sigma + 1e-44);

  /** The training timesteps of a plan, descending. */
  function visited(options: { numInferenceSteps?: number; timesteps?: readonly number[] }): number[] {
    const { numInferenceSteps, timesteps } = options;
    const given = timesteps?.map(Math.trunc);
    if ((given?.[0] ?? 0) >= numTrainTimesteps || (numInferenceSteps ?? 1) > numTrainTimesteps) {
      throw new InvalidArgumentError(
        `${config.className}: ${given ? `timestep ${given[0]}` : `numInferenceSteps ${numInferenceSteps}`} goes beyond the ${numTrainTimesteps} training timesteps. Give ${given ? `timesteps below ${numTrainTimesteps}` : `at most ${numTrainTimesteps}`}.`,
      );
    }
    const count = numInferenceSteps!;
    const stride = Math.floor(numTrainTimesteps / count);
    return given ?? Array.from({ length: count }, (_, i) => (count - 1 - i) * stride);
  }

  return {
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps'],
    sampleOptions: ['sNoise'],
    plan(options) {
      // As in diffusers, the highest level belongs to the lowest timestep.
      const ramp = visited(options)
        .reverse()
        .map((timestep) => timestep / (numTrainTimesteps - 1));
      const sigmas = karrasRamp({ sigmaMin, sigmaMax, rho }, ramp);
      return {
        timesteps: sigmas.map(timestepOf),
        sigmas: [...sigmas, sigmaMin].map(Math.fround),
        initNoiseSigma: sigmaMax,
        numInferenceSteps: sigmas.length,
        custom: options.timesteps !== undefined,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise, sNoise = noiseFactor }) {
      const { timesteps, sigmas } = plan;
      const rounds = timesteps.map((timestep, i) => {
        const sigma = Math.min(Math.max(sigmas[i + 1]!, sigmaMin), sigmaMax);
        const to = varianceExploding(sNoise * Math.sqrt(sigma ** 2 - sigmaMin ** 2));
        // A single round ends with x̂₀; the last of several draws noise all the same, of which nothing is added.
        return { timestep, sigma: sigmas[i]!, to: timesteps.length > 1 ? to : undefined };
      });
      return askForDenoised(renoise({ ops, sample, rounds, noise, beginIndex }), { ops, parameterization });
    },
    sigmaAt: (timestep) => Math.exp(timestep / 250),
  };
};

/** Preconditioning that gives back the sample itself at `sigmaMin` (Song et al. 2023, appendix C). */
function createConsistencyParameterization(
  sigmaMin: number,
  sigmaData: number,
  limit: Limit,
): Parameterization {
  const denoised: Parameterization['denoised'] = (ops, modelOutput, sample, sigma) => {
    const distance = sigma - sigmaMin;
    const skip = sigmaData ** 2 / (distance ** 2 + sigmaData ** 2);
    const out = (distance * sigmaData) / Math.sqrt(sigma ** 2 + sigmaData ** 2);
    return limitDenoised(ops, ops.combine([skip, sample], [out, modelOutput]), limit);
  };
  return {
    process: varianceExploding,
    inputScale: (sigma) => 1 / Math.sqrt(sigma ** 2 + sigmaData ** 2),
    denoised,
    noise: (ops, modelOutput, sample, sigma) =>
      noiseOf({
        ops,
        denoised: denoised(ops, modelOutput, sample, sigma),
        sample,
        level: varianceExploding(sigma),
      }),
  };
}
