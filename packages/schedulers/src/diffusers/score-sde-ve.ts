// ScoreSdeVeScheduler.
import { askNetwork } from '../ask-network.ts';
import { linspaceFloat32 } from '../linspace.ts';
import { varianceExploding } from '../noise-level.ts';
import type { Parameterization } from '../parameterization.ts';
import { scoreSdeVe } from '../score-sde-ve.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

/** The network is fed the sample as it is, and answers with the score: x̂₀ = x + σ² score, noise = -σ score. */
const scoreParameterization: Parameterization = {
  process: varianceExploding,
  inputScale: () => 1,
  denoised: (ops, score, sample, sigma) => ops.combine([1, sample], [sigma ** 2, score]),
  noise: (ops, score, _sample, sigma) => ops.combine([-sigma, score]),
};

export const scoreSdeVeScheduler: SchedulerClass = (config) => {
  const numTrainTimesteps = config.integer('num_train_timesteps', 2000, 1);
  const snr = config.number('snr', 0.15, { above: 0 });
  const sigmaMin = config.number('sigma_min', 0.01, { above: 0 });
  const sigmaMax = config.number('sigma_max', 1348, { above: 0 });
  const samplingEps = config.number('sampling_eps', 1e-5, { least: 0 });
  const correctSteps = config.integer('correct_steps', 1);
  const discreteSigmas = (count: number) =>
    linspaceFloat32(Math.log(sigmaMin), Math.log(sigmaMax), count).map(Math.exp);
  return {
    parameterization: scoreParameterization,
    planOptions: ['numInferenceSteps'],
    plan(options) {
      const numInferenceSteps = options.numInferenceSteps!;
      const timesteps = [...linspaceFloat32(1, samplingEps, numInferenceSteps)];
      const sigmas = timesteps.map((timestep) => Math.fround(sigmaMin * (sigmaMax / sigmaMin) ** timestep));
      return { timesteps, sigmas, initNoiseSigma: sigmaMax, numInferenceSteps, custom: false };
    },
    sample({ ops, sample, plan, beginIndex, noise }) {
      const discrete = discreteSigmas(plan.timesteps.length);
      const steps = plan.timesteps.map((timestep, i) => {
        const index = Math.trunc(Math.fround(timestep * (plan.timesteps.length - 1)));
        return {
          timestep,
          sigma: plan.sigmas[i]!,
          discreteSigma: discrete[index]!,
          adjacentSigma: index === 0 ? 0 : discrete[index - 1]!,
        };
      });
      return askNetwork({
        ops,
        sampler: scoreSdeVe({ ops, sample, steps, noise, correctSteps, snr, beginIndex }),
        inputScale: scoreParameterization.inputScale,
        toAnswer: (modelOutput) => modelOutput,
      });
    },
    noisesByTimestep: true,
    sigmaAt: (timestep, plan) => discreteSigmas(plan?.timesteps.length ?? numTrainTimesteps)[timestep]!,
  };
};
