// PNDMScheduler.
import { InvalidArgumentError } from '@emulsion/tensor';
import { askNetwork } from '../ask-network.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization, noiseFrom } from '../parameterization.ts';
import { type PndmStep, pndm } from '../pndm.ts';
import type { Plan } from '../scheduler.ts';
import {
  type AlphaSpace,
  alphaCumprodAt,
  alphaSpacePlan,
  levelOfAlphaCumprod,
  readFinalAlphaCumprod,
  sigmaOfAlphaCumprod,
  spaceIntegerTimesteps,
} from './alpha-space.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import { readTimestepChoice } from './read-spacing.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType } from './sigma-space.ts';

/** Evaluations of the three Runge-Kutta steps. */
const rungeKuttaEvaluations = 12;

export const pndmScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config);
  const predictionType = readPredictionType(config);
  const space: AlphaSpace = {
    className: config.className,
    noiseSchedule,
    predictionType,
    choice: readTimestepChoice(config, 'leading'),
    finalAlphaCumprod: readFinalAlphaCumprod(config, noiseSchedule, false),
  };
  const parameterization = createParameterization(predictionType, variancePreserving);
  const skipRungeKutta = config.boolean('skip_prk_steps', false);
  const rungeKuttaSteps = skipRungeKutta ? 0 : rungeKuttaEvaluations;
  const numTrainTimesteps = noiseSchedule.betas.length;
  const strideOf = (numInferenceSteps: number) => Math.floor(numTrainTimesteps / numInferenceSteps);
  const level = (timestep: number) => levelOfAlphaCumprod(alphaCumprodAt(space, timestep));

  /** The first step is evaluated at both its ends. */
  function multistepTimesteps(timesteps: readonly number[]): number[] {
    return timesteps.flatMap((timestep, i) => (i === 1 ? [timestep, timestep] : [timestep]));
  }

  /** Four evaluations for each of the first three steps: at its start, twice in its middle, at its end. */
  function rungeKuttaTimesteps(timesteps: readonly number[]): number[] {
    const half = Math.floor(strideOf(timesteps.length) / 2);
    const start = timesteps.slice(0, 3).flatMap((timestep, i) => {
      const middle = timesteps[i + 1]! + half;
      return [timestep, middle, middle, timesteps[i + 1]!];
    });
    return [...start, ...timesteps.slice(3)];
  }

  /**
   * Where each evaluation of a plan starts from and leads to. As in diffusers, the second evaluation goes over the
   * first step again also where the plan is entered in the middle and its timesteps are not the same.
   */
  function stepsOf(plan: Plan, beginIndex: number): PndmStep[] {
    const stride = strideOf(plan.numInferenceSteps);
    return plan.timesteps.slice(beginIndex).map((timestep, index) => {
      if (index < rungeKuttaSteps) {
        const start = plan.timesteps[Math.floor(index / 4) * 4]!;
        const end = timestep - (index % 2 === 0 ? Math.floor(stride / 2) : 0);
        return { timestep, at: level(timestep), from: level(start), to: level(end) };
      }
      const again = skipRungeKutta && index === 1;
      const [start, end] = again ? [timestep + stride, timestep] : [timestep, timestep - stride];
      return { timestep, at: level(timestep), from: level(start), to: level(end) };
    });
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps'],
    plan(options) {
      const timesteps = spaceIntegerTimesteps(space, options.numInferenceSteps!);
      if (!skipRungeKutta && timesteps.length < 4) {
        throw new InvalidArgumentError(
          `${config.className}: numInferenceSteps is ${timesteps.length}, the Runge-Kutta start needs at least 4. Ask for more, or set "skip_prk_steps" to true in the scheduler config.`,
        );
      }
      const fed = skipRungeKutta ? multistepTimesteps(timesteps) : rungeKuttaTimesteps(timesteps);
      return alphaSpacePlan(space, options, fed);
    },
    sample({ ops, sample, plan, beginIndex }) {
      if (beginIndex > 0 && !skipRungeKutta) {
        throw new InvalidArgumentError(
          `${config.className}: beginIndex is ${beginIndex}, the Runge-Kutta start can't be entered in the middle. Set "skip_prk_steps" to true in the scheduler config.`,
        );
      }
      const toNoise = (modelOutput: typeof sample, from: typeof sample, at: PndmStep['from']) =>
        noiseFrom({ ops, predictionType, modelOutput, sample: from, level: at });
      return askNetwork({
        ops,
        sampler: pndm({
          ops,
          sample,
          steps: stepsOf(plan, beginIndex),
          rungeKuttaSteps,
          beginIndex,
          toNoise,
        }),
        inputScale: parameterization.inputScale,
        toAnswer: (modelOutput) => modelOutput,
      });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(noiseSchedule.alphasCumprod[timestep]!),
  };
};
