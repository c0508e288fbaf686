// What LCMScheduler and TCDScheduler share: timesteps of the schedule that the model was distilled with.
import { InvalidArgumentError } from '@emulsion/tensor';
import { linspace } from '../linspace.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import type { Plan, PlanOptions } from '../scheduler.ts';
import { type AlphaSpace, alphaSpacePlan, assertFewerSteps, readFinalAlphaCumprod } from './alpha-space.ts';
import type { ConfigReader } from './config-reader.ts';
import { readLimit } from './read-limit.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import { readTimestepChoice } from './read-spacing.ts';
import { readPredictionType } from './sigma-space.ts';

/** Options of `plan` that both classes take. */
export const distilledPlanOptions = [
  'numInferenceSteps',
  'timesteps',
  'strength',
  'originalInferenceSteps',
] as const;

export function readDistilledSpace(config: ConfigReader) {
  const noiseSchedule = readNoiseSchedule(config, {
    betaStart: 0.00085,
    betaEnd: 0.012,
    betaSchedule: 'scaled_linear',
    zeroSnr: 'exact',
  });
  const predictionType = readPredictionType(config);
  const space: AlphaSpace = {
    className: config.className,
    noiseSchedule,
    predictionType,
    choice: readTimestepChoice(config, 'leading'),
    finalAlphaCumprod: readFinalAlphaCumprod(config, noiseSchedule, true),
  };
  const originalSteps = config.integer('original_inference_steps', 50, 1);
  const parameterization = createParameterization(
    predictionType,
    variancePreserving,
    readLimit(config, false),
  );
  return { space, parameterization, originalSteps };
}

/** The timesteps that the model was distilled with, ascending. */
export function originTimesteps(
  { className, noiseSchedule }: AlphaSpace,
  originalSteps: number,
  strength: number,
): number[] {
  const numTrainTimesteps = noiseSchedule.betas.length;
  if (!Number.isInteger(originalSteps) || originalSteps < 1 || originalSteps > numTrainTimesteps) {
    throw new InvalidArgumentError(
      `${className}: originalInferenceSteps is ${originalSteps}, the model was trained with ${numTrainTimesteps} timesteps. Give an integer from 1 to ${numTrainTimesteps}.`,
    );
  }
  const stride = Math.floor(numTrainTimesteps / originalSteps);
  return Array.from({ length: Math.trunc(originalSteps * strength) }, (_, i) => (i + 1) * stride - 1);
}

/** A plan over some of the origin's timesteps, evenly chosen from the highest down, or over those that are given. */
export function distilledPlan(space: AlphaSpace, options: PlanOptions, origin: readonly number[]): Plan {
  const { numInferenceSteps, timesteps, strength = 1 } = options;
  if (!(strength > 0 && strength <= 1)) {
    throw new InvalidArgumentError(
      `${space.className}: strength is ${strength}. Give a number above 0 and at most 1.`,
    );
  }
  if (timesteps) {
    const kept = Math.max(1, Math.trunc(timesteps.length * strength));
    return alphaSpacePlan(space, options, timesteps.slice(-kept));
  }
  const count = numInferenceSteps!;
  assertFewerSteps(space, count);
  if (count > origin.length) {
    throw new InvalidArgumentError(
      `${space.className}: numInferenceSteps is ${count}, of the steps that the model was distilled with ${origin.length} are in use. Ask for at most ${origin.length}, or set originalInferenceSteps or strength higher.`,
    );
  }
  const highest = origin.toReversed();
  const chosen = linspace(0, origin.length, count + 1).slice(0, -1);
  return alphaSpacePlan(
    space,
    options,
    chosen.map((index) => highest[Math.floor(index)]!),
  );
}
