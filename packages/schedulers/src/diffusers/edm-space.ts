// What the schedulers of Karras et al. (2022) share: levels that need no training schedule.

import type { Limit } from '../limit-denoised.ts';
import { linspace, linspaceFloat32 } from '../linspace.ts';
import {
  createEdmParameterization,
  type EdmPredictionType,
  edmPredictionTypes,
} from '../parameterization.ts';
import type { Plan, PlanOptions } from '../scheduler.ts';
import type { ConfigReader } from './config-reader.ts';

export interface EdmSpace {
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  readonly rho: number;
  readonly schedule: 'karras' | 'exponential';
  readonly finalSigmas: 'zero' | 'sigma_min';
}

export interface EdmDefaults {
  sigmaMin: number;
  sigmaMax: number;
  sigmaData: number;
  schedule: 'karras' | 'exponential';
  predictionType: EdmPredictionType;
}

/** The defaults of the classes that follow the paper. */
export const edmDefaults: EdmDefaults = {
  sigmaMin: 0.002,
  sigmaMax: 80,
  sigmaData: 0.5,
  schedule: 'karras',
  predictionType: 'epsilon',
};

export function readEdmSpace(config: ConfigReader, defaults: EdmDefaults): EdmSpace {
  config.integer('num_train_timesteps', 1000, 1);
  const [sigmaMin, sigmaMax] = [
    config.number('sigma_min', defaults.sigmaMin, { above: 0 }),
    config.number('sigma_max', defaults.sigmaMax, { above: 0 }),
  ];
  if (sigmaMin >= sigmaMax) {
    config.contradiction(
      ['sigma_min', 'sigma_max'],
      `"sigma_min" is ${sigmaMin} and "sigma_max" ${sigmaMax}. Give a maximum above the minimum.`,
    );
  }
  return {
    sigmaMin,
    sigmaMax,
    rho: config.number('rho', 7, { above: 0 }),
    schedule: config.oneOf('sigma_schedule', ['karras', 'exponential'], defaults.schedule),
    finalSigmas: config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero'),
  };
}

export function readEdmParameterization(config: ConfigReader, defaults: EdmDefaults, limit?: Limit) {
  const predictionType = config.oneOf('prediction_type', edmPredictionTypes, defaults.predictionType);
  return createEdmParameterization(
    predictionType,
    config.number('sigma_data', defaults.sigmaData, { above: 0 }),
    limit,
  );
}

/** Levels along a ramp from 0 to 1, by the paper's eq. 5. */
export function karrasRamp(
  { sigmaMin, sigmaMax, rho }: Omit<EdmSpace, 'schedule' | 'finalSigmas'>,
  ramp: readonly number[],
): number[] {
  const [low, high] = [sigmaMin ** (1 / rho), sigmaMax ** (1 / rho)];
  return ramp.map((at) => (high + at * (low - high)) ** rho);
}

/** Levels that are spaced in float32, as torch does where it is not told otherwise. */
function spaceFloat32(space: EdmSpace, steps: number): number[] {
  const { sigmaMin, sigmaMax, rho } = space;
  if (space.schedule === 'exponential') {
    return Array.from(linspaceFloat32(Math.log(sigmaMin), Math.log(sigmaMax), steps), Math.exp).reverse();
  }
  const [low, high] = [sigmaMin ** (1 / rho), sigmaMax ** (1 / rho)];
  const range = Math.fround(low - high);
  return Array.from(
    linspaceFloat32(0, 1, steps),
    (at) => Math.fround(Math.fround(high) + Math.fround(at * range)) ** rho,
  );
}

/** Levels of a plan without the last one, rounded to float32. */
export function edmSigmas(space: EdmSpace, options: PlanOptions, precision: 'float32' | 'float64'): number[] {
  if (options.sigmas) return options.sigmas.slice(0, -1).map(Math.fround);
  const steps = options.numInferenceSteps!;
  const sigmas =
    precision === 'float64' && space.schedule === 'karras'
      ? karrasRamp(space, linspace(0, 1, steps))
      : spaceFloat32(space, steps);
  return sigmas.map(Math.fround);
}

/** A plan of levels; the network is fed what `timestepOf` makes of them. */
export function edmPlan(
  space: EdmSpace,
  options: PlanOptions,
  sigmas: readonly number[],
  end: number,
  timestepOf: (sigma: number) => number,
): Plan {
  return {
    timesteps: sigmas.map(timestepOf).map(Math.fround),
    sigmas: [...sigmas, Math.fround(options.sigmas?.at(-1) ?? end)],
    initNoiseSigma: Math.sqrt(space.sigmaMax ** 2 + 1),
    numInferenceSteps: sigmas.length,
    custom: false,
  };
}

/** What a network of the paper is fed: c_noise of its table 1. */
export const quarterLog = (sigma: number) => 0.25 * Math.log(sigma);
