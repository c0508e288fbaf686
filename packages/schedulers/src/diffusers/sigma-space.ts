// What the schedulers share that sample in the space of sigmas: those that k-diffusion brought.
import { linspaceFloat32 } from '../linspace.ts';
import type { NoiseSchedule } from '../noise-schedule.ts';
import type { PredictionType } from '../parameterization.ts';
import type { Plan, PlanOptions } from '../scheduler.ts';
import { interpolateTable, logarithms, timestepOfSigma } from '../sigma-table.ts';
import { spaceTimesteps } from '../timestep-spacing.ts';
import type { ConfigReader } from './config-reader.ts';
import {
  readSigmaSpacing,
  readTimestepChoice,
  type SigmaSpacing,
  spaceSigmas,
  type TimestepChoice,
} from './read-spacing.ts';

export interface SigmaSpace {
  readonly noiseSchedule: NoiseSchedule;
  readonly logSigmas: Float32Array;
  readonly choice: TimestepChoice;
  readonly sigmaSpacing: SigmaSpacing | undefined;
  readonly sigmaMin: number | undefined;
  readonly sigmaMax: number | undefined;
  /** Space the levels evenly in log sigma from one end of the table to the other, one more than the timesteps. */
  readonly logLinear?: boolean;
}

/** Reads the spacing; the ends of the noise levels can be set as well. */
export function readSigmaSpace(config: ConfigReader, noiseSchedule: NoiseSchedule): SigmaSpace {
  return {
    noiseSchedule,
    logSigmas: logarithms(noiseSchedule.sigmas),
    choice: readTimestepChoice(config, 'linspace'),
    sigmaSpacing: readSigmaSpacing(config),
    sigmaMin: config.optionalNumber('sigma_min', { above: 0 }),
    sigmaMax: config.optionalNumber('sigma_max', { above: 0 }),
  };
}

/** The spacing of the classes that know timesteps only. */
export function readTimestepSpace(config: ConfigReader, noiseSchedule: NoiseSchedule): SigmaSpace {
  return {
    noiseSchedule,
    logSigmas: logarithms(noiseSchedule.sigmas),
    choice: readTimestepChoice(config, 'linspace'),
    sigmaSpacing: undefined,
    sigmaMin: undefined,
    sigmaMax: undefined,
  };
}

/** What the network predicts; `original_sample` is an old name of `sample`. */
export function readPredictionType(config: ConfigReader): PredictionType {
  const types = ['epsilon', 'sample', 'v_prediction', 'original_sample'] as const;
  const type = config.oneOf('prediction_type', types, 'epsilon');
  return type === 'original_sample' ? 'sample' : type;
}

/** Timesteps and their noise levels, without the level that the last step ends at. */
export interface Visits {
  timesteps: number[];
  sigmas: number[];
}

/** Timesteps of noise levels. */
export function timestepsOfSigmas(space: SigmaSpace, sigmas: readonly number[]): number[] {
  return sigmas.map((sigma) => timestepOfSigma(sigma, space.logSigmas));
}

/** The timesteps and noise levels that the options and the config ask for, in float64. */
export function visit(space: SigmaSpace, options: PlanOptions): Visits {
  const { noiseSchedule, sigmaSpacing } = space;
  if (options.sigmas) {
    const sigmas = options.sigmas.slice(0, -1);
    return { sigmas, timesteps: timestepsOfSigmas(space, sigmas) };
  }
  const numTrainTimesteps = noiseSchedule.betas.length;
  const timesteps = (
    options.timesteps ??
    spaceTimesteps({ ...space.choice, numTrainTimesteps, numInferenceSteps: options.numInferenceSteps! })
  ).map(Math.fround);
  const { sigmas: table } = noiseSchedule;
  const sigmas = space.logLinear
    ? Array.from(
        linspaceFloat32(Math.log(table.at(-1)!), Math.log(table[0]!), timesteps.length + 1),
        Math.exp,
      )
    : timesteps.map((timestep) => interpolateTable(table, timestep));
  if (!sigmaSpacing) return { timesteps, sigmas };
  const spaced = spaceSigmas(sigmaSpacing, {
    steps: timesteps.length,
    sigmaMin: space.sigmaMin ?? sigmas.at(-1)!,
    sigmaMax: space.sigmaMax ?? sigmas[0]!,
    table,
  });
  return { sigmas: spaced, timesteps: timestepsOfSigmas(space, spaced) };
}

/** A plan of `visits`; sigmas are rounded to float32. */
export function sigmaSpacePlan(
  space: SigmaSpace,
  options: PlanOptions,
  timesteps: readonly number[],
  sigmas: readonly number[],
): Plan {
  const rounded = sigmas.map(Math.fround);
  const greatest = Math.max(...rounded);
  return {
    timesteps,
    sigmas: rounded,
    initNoiseSigma: space.choice.spacing === 'leading' ? Math.sqrt(greatest ** 2 + 1) : greatest,
    numInferenceSteps: options.numInferenceSteps ?? options.timesteps?.length ?? options.sigmas!.length - 1,
    custom: options.timesteps !== undefined,
  };
}

/** The noise level of a training timestep, between the table's entries as the spacing has it. */
export function sigmaAt(space: SigmaSpace, timestep: number): number {
  return space.sigmaSpacing
    ? Math.exp(interpolateTable(space.logSigmas, timestep))
    : interpolateTable(space.noiseSchedule.sigmas, timestep);
}
