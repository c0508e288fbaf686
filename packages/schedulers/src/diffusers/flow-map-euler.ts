// FlowMapEulerDiscreteScheduler: Euler's step between any two times of a flow map.
import { askNetwork } from '../ask-network.ts';
import { flowEuler } from '../flow-euler.ts';
import { shiftSigma } from '../flow-sigmas.ts';
import { linspace } from '../linspace.ts';
import { flowParameterization } from './flow-match-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const flowMapEuler: SchedulerClass = (config) => {
  const numTrainTimesteps = config.integer('num_train_timesteps', 1000, 1);
  const shift = config.number('shift', 1, { above: 0 });
  return {
    parameterization: flowParameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    plan(options) {
      const given = options.sigmas?.at(-1) === 0 ? options.sigmas.slice(0, -1) : options.sigmas;
      const even =
        given ??
        options.timesteps?.map((timestep) => timestep / numTrainTimesteps) ??
        linspace(1, 0, options.numInferenceSteps! + 1).slice(0, -1);
      const sigmas = even.map((sigma) => shiftSigma(sigma, shift));
      return {
        timesteps: sigmas.map((sigma) => sigma * numTrainTimesteps),
        sigmas: [...sigmas, 0],
        initNoiseSigma: 1,
        numInferenceSteps: sigmas.length,
        custom: options.timesteps !== undefined,
      };
    },
    sample({ ops, sample, plan, beginIndex }) {
      const { sigmas, timesteps } = plan;
      return askNetwork({
        ops,
        sampler: flowEuler({ ops, sample, sigmas, timesteps, beginIndex }),
        inputScale: flowParameterization.inputScale,
        toAnswer: (modelOutput) => modelOutput,
      });
    },
    sigmaAt: (timestep) => timestep / numTrainTimesteps,
  };
};
