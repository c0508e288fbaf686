// FlowMatchHeunDiscreteScheduler.
import { askNetwork } from '../ask-network.ts';
import { flowHeun } from '../flow-heun.ts';
import { once, twice } from './evaluation-pairs.ts';
import { flowMatchSigmas, flowParameterization, flowTimestep } from './flow-match-space.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const flowMatchHeunDiscrete: SchedulerClass = (config) => {
  const space = {
    className: config.className,
    numTrainTimesteps: config.integer('num_train_timesteps', 1000, 1),
    shift: config.number('shift', 1, { above: 0 }),
    dynamic: false,
    timeShiftType: 'exponential',
    terminal: undefined,
    inverted: false,
    sigmaSpacing: undefined,
  } as const;
  return {
    parameterization: flowParameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    addsLastSigma: true,
    sampleOptions: ['sChurn', 'sTmin', 'sTmax', 'sNoise'],
    evaluationsPerStep: 2,
    plan(options) {
      const sigmas = flowMatchSigmas(space, options);
      return {
        timesteps: twice(sigmas.map((sigma) => flowTimestep(space, sigma))),
        sigmas: [...twice(sigmas), 0],
        initNoiseSigma: 1,
        numInferenceSteps: sigmas.length,
        custom: options.timesteps !== undefined,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise, sChurn = 0, sTmin = 0, sTmax = Infinity, sNoise = 1 }) {
      const sampler = flowHeun({
        ...{ ops, sample, noise, sChurn, sTmin, sTmax, sNoise },
        sigmas: once(plan.sigmas),
        timesteps: once(plan.timesteps),
        beginIndex: beginIndex / 2,
      });
      const { inputScale } = flowParameterization;
      return askNetwork({ ops, sampler, inputScale, toAnswer: (modelOutput) => modelOutput });
    },
    sigmaAt: (timestep) => timestep / space.numTrainTimesteps,
  };
};
