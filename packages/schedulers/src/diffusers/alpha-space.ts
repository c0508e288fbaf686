// What the schedulers share that sample at the model's own timesteps, in terms of alphasCumprod.

import { InvalidArgumentError } from '@emulsion/tensor';
import type { NoiseLevel } from '../noise-level.ts';
import type { NoiseSchedule } from '../noise-schedule.ts';
import type { PredictionType } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import type { Plan, PlanOptions } from '../scheduler.ts';
import { spaceTimesteps } from '../timestep-spacing.ts';
import type { Transition } from '../transition.ts';
import type { ConfigReader } from './config-reader.ts';
import type { TimestepChoice } from './read-spacing.ts';

/** What is left of the signal, as a noise level. */
export function levelOfAlphaCumprod(alphaCumprod: number): NoiseLevel {
  return { alpha: Math.sqrt(alphaCumprod), sigma: Math.sqrt(1 - alphaCumprod) };
}

/** Noise per unit of signal. */
export function sigmaOfAlphaCumprod(alphaCumprod: number): number {
  return Math.sqrt((1 - alphaCumprod) / alphaCumprod);
}

export interface AlphaSpace {
  readonly className: string;
  readonly noiseSchedule: NoiseSchedule;
  readonly choice: TimestepChoice;
  readonly predictionType: PredictionType;
  /** ᾱ below timestep 0. */
  readonly finalAlphaCumprod: number;
}

/** ᾱ at which the last step ends: no noise at all, or that of timestep 0. */
export function readFinalAlphaCumprod(
  config: ConfigReader,
  schedule: NoiseSchedule,
  fallback: boolean,
): number {
  return config.boolean('set_alpha_to_one', fallback) ? 1 : schedule.alphasCumprod[0]!;
}

/** ᾱ at a timestep, or that below timestep 0. */
export function alphaCumprodAt(space: AlphaSpace, timestep: number): number {
  return timestep < 0 ? space.finalAlphaCumprod : space.noiseSchedule.alphasCumprod[timestep]!;
}

/** @throws {InvalidArgumentError} if there are more steps than training timesteps */
export function assertFewerSteps(space: AlphaSpace, numInferenceSteps: number): void {
  const count = space.noiseSchedule.betas.length;
  if (numInferenceSteps > count) {
    throw new InvalidArgumentError(
      `${space.className}: numInferenceSteps is ${numInferenceSteps}, the model was trained with ${count} timesteps. Ask for at most ${count}.`,
    );
  }
}

/** The timesteps that are visited, descending integers. */
export function spaceIntegerTimesteps(space: AlphaSpace, numInferenceSteps: number): number[] {
  assertFewerSteps(space, numInferenceSteps);
  const numTrainTimesteps = space.noiseSchedule.betas.length;
  return spaceTimesteps({ ...space.choice, numTrainTimesteps, numInferenceSteps }).map(roundHalfEven);
}

/** @throws {InvalidArgumentError} if a timestep is not one of the model's, or the network can't be used there */
export function assertUsable(space: AlphaSpace, timesteps: readonly number[]): void {
  const { alphasCumprod } = space.noiseSchedule;
  for (const timestep of timesteps) {
    if (!Number.isInteger(timestep) || timestep < 0 || timestep >= alphasCumprod.length) {
      throw new InvalidArgumentError(
        `${space.className}: timestep ${timestep} is not one of the ${alphasCumprod.length} training timesteps. Give whole numbers from 0 to ${alphasCumprod.length - 1}; a spacing that reaches beyond has too large a "steps_offset".`,
      );
    }
    if (alphasCumprod[timestep] === 0 && space.predictionType === 'epsilon') {
      throw new InvalidArgumentError(
        `${space.className}: timestep ${timestep} holds no signal (rescale_betas_zero_snr), from which predicted noise gives no picture. Use a model with "v_prediction" or "sample", or a spacing that leaves this timestep out.`,
      );
    }
  }
}

/** A plan of timesteps whose last step ends below timestep 0. */
export function alphaSpacePlan(space: AlphaSpace, options: PlanOptions, timesteps: readonly number[]): Plan {
  assertUsable(space, timesteps);
  const ends = [...timesteps, -1].map((timestep) => sigmaOfAlphaCumprod(alphaCumprodAt(space, timestep)));
  return {
    timesteps,
    sigmas: ends,
    initNoiseSigma: 1,
    numInferenceSteps: options.numInferenceSteps ?? timesteps.length,
    custom: options.timesteps !== undefined,
  };
}

/**
 * The steps of a plan: each goes a whole stride down, which need not be the plan's next timestep, or, where timesteps
 * were given, to the next.
 */
export function strideTransitions(space: AlphaSpace, plan: Plan): Transition[] {
  const stride = Math.floor(space.noiseSchedule.betas.length / plan.numInferenceSteps);
  return plan.timesteps.map((timestep, i) => {
    const next = plan.custom ? (plan.timesteps[i + 1] ?? -1) : timestep - stride;
    return {
      timestep,
      from: levelOfAlphaCumprod(alphaCumprodAt(space, timestep)),
      to: levelOfAlphaCumprod(alphaCumprodAt(space, next)),
    };
  });
}
