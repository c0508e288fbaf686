// What the schedulers share that solve in λ: spacing with one timestep more than steps, and whole timesteps.
import { InvalidArgumentError } from '@emulsion/tensor';
import { shiftSigma, timeShiftTypes } from '../flow-sigmas.ts';
import { linspace } from '../linspace.ts';
import { type NoiseProcess, rectifiedFlow, variancePreserving } from '../noise-level.ts';
import type { NoiseSchedule } from '../noise-schedule.ts';
import { type PredictionType, predictionTypes } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
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

export interface SolverSpace {
  readonly noiseSchedule: NoiseSchedule;
  readonly logSigmas: Float32Array;
  readonly choice: TimestepChoice;
  readonly sigmaSpacing: SigmaSpacing | undefined;
  /** Shift of the noise levels of a rectified flow; `undefined` for other models. */
  readonly flowShift: number | undefined;
  readonly process: NoiseProcess;
  readonly sigmaMin: number | undefined;
  readonly sigmaMax: number | undefined;
  /** The level below which λ is not to be trusted: timesteps above are left out. */
  readonly lastTimestep: number;
}

/** Which keys the class has. */
export interface SolverSpaceKeys {
  lu?: boolean;
  lambdaMinClipped?: boolean;
  /** Whether timesteps are chosen by `timestep_spacing`; `linspace` otherwise. */
  timestepSpacing?: boolean;
  /** Whether Karras' levels can be made into a flow's. */
  karrasFlow?: boolean;
}

/** Entries of the table whose λ is below the least that the config allows, counted from the noisy end. */
function clippedTimesteps({ sigmas, alphasCumprod }: NoiseSchedule, lambdaMin: number): number {
  if (lambdaMin === -Infinity) return 0;
  const lambdas = alphasCumprod.map((alphaCumprod) => {
    const [alpha, sigma] = [Math.sqrt(alphaCumprod), Math.sqrt(Math.fround(1 - alphaCumprod))].map(
      Math.fround,
    );
    return Math.fround(Math.log(alpha!)) - Math.fround(Math.log(sigma!));
  });
  let count = 0;
  while (count < sigmas.length && lambdas[sigmas.length - 1 - count]! < lambdaMin) count++;
  return count;
}

export function readSolverSpace(
  config: ConfigReader,
  noiseSchedule: NoiseSchedule,
  keys: SolverSpaceKeys = {},
): SolverSpace {
  const { lu = false, lambdaMinClipped = false, timestepSpacing = true, karrasFlow = false } = keys;
  const sigmaSpacing = readSigmaSpacing(config, lu ? ['karras', 'exponential', 'beta', 'lu'] : undefined);
  const useFlow = config.boolean('use_flow_sigmas', false);
  const flowShift = config.number('flow_shift', 1, { above: 0 });
  if (useFlow && sigmaSpacing && !(karrasFlow && sigmaSpacing === 'karras')) {
    config.contradiction(
      ['use_flow_sigmas'],
      `"use_flow_sigmas" is true and the levels are to be spaced as ${sigmaSpacing}, which gives levels of another kind. Choose one.`,
    );
  }
  const lambdaMin = lambdaMinClipped ? config.number('lambda_min_clipped', -Infinity) : -Infinity;
  return {
    noiseSchedule,
    logSigmas: logarithms(noiseSchedule.sigmas),
    choice: timestepSpacing
      ? readTimestepChoice(config, 'linspace')
      : { spacing: 'linspace', stepsOffset: 0 },
    sigmaSpacing,
    flowShift: useFlow ? flowShift : undefined,
    process: useFlow ? rectifiedFlow : variancePreserving,
    sigmaMin: config.optionalNumber('sigma_min', { above: 0 }),
    sigmaMax: config.optionalNumber('sigma_max', { above: 0 }),
    lastTimestep: noiseSchedule.betas.length - clippedTimesteps(noiseSchedule, lambdaMin),
  };
}

/** What the network predicts; a flow only where the noise levels are a flow's. */
export function readSolverPredictionType(config: ConfigReader, space: SolverSpace): PredictionType {
  const predictionType = config.oneOf('prediction_type', predictionTypes, 'epsilon');
  if (predictionType === 'flow_prediction' && space.flowShift === undefined) {
    config.contradiction(
      ['prediction_type', 'use_flow_sigmas'],
      '"prediction_type" is "flow_prediction" and "use_flow_sigmas" is not true. Set it to true, or take the prediction type that the model was trained with.',
    );
  }
  return predictionType;
}

/** Timesteps and noise levels, without the level that the last step ends at. */
export interface SolverVisits {
  timesteps: number[];
  sigmas: number[];
}

/** Spacings whose timesteps diffusers makes whole by rounding down. */
const downwards: { readonly [S in SigmaSpacing]?: true } = { exponential: true, beta: true };

/** How timesteps between two whole ones are made whole when the noise levels are spaced. */
type Wholeness = (timestep: number) => number;

/** The timesteps and noise levels that the options and the config ask for, in float64. */
export function visitSolver(
  space: SolverSpace,
  options: PlanOptions,
  whole: { readonly [S in SigmaSpacing]?: Wholeness },
): SolverVisits {
  const { noiseSchedule, logSigmas, sigmaSpacing, flowShift } = space;
  const { sigmas: table } = noiseSchedule;
  const numTrainTimesteps = table.length;
  const ofSigmas = (sigmas: number[], round: Wholeness) => ({
    sigmas,
    timesteps: sigmas.map((sigma) => round(timestepOfSigma(sigma, logSigmas))),
  });
  if (options.sigmas) return ofSigmas(options.sigmas.slice(0, -1), roundHalfEven);
  if (options.timesteps) return ofTimesteps(table, options.timesteps.map(Math.trunc));
  const numInferenceSteps = options.numInferenceSteps!;
  if (sigmaSpacing) {
    // The spacing in λ is over float32 logarithms.
    const [least, greatest] =
      sigmaSpacing === 'lu'
        ? [Math.exp(logSigmas[0]!), Math.exp(logSigmas.at(-1)!)]
        : [table[0]!, table.at(-1)!];
    const [sigmaMin, sigmaMax] = [space.sigmaMin ?? least, space.sigmaMax ?? greatest];
    return ofSigmas(
      spaceSigmas(sigmaSpacing, { steps: numInferenceSteps, sigmaMin, sigmaMax, table }),
      whole[sigmaSpacing] ?? (sigmaSpacing in downwards ? Math.trunc : roundHalfEven),
    );
  }
  if (flowShift !== undefined) {
    const sigmas = linspace(1, 1 / numTrainTimesteps, numInferenceSteps + 1)
      .map((alpha) => shiftSigma(1 - alpha, flowShift))
      .reverse()
      .slice(0, -1);
    return { sigmas, timesteps: sigmas.map((sigma) => Math.trunc(sigma * numTrainTimesteps)) };
  }
  const spaced = spaceTimesteps({
    ...space.choice,
    numTrainTimesteps,
    numInferenceSteps,
    skipLowest: true,
    end: space.lastTimestep,
  });
  return ofTimesteps(table, spaced.map(roundHalfEven));
}

function ofTimesteps(table: Float32Array, timesteps: number[]): SolverVisits {
  return { timesteps, sigmas: timesteps.map((timestep) => interpolateTable(table, timestep)) };
}

/**
 * A plan of `visits` that ends at `end`.
 * @throws {InvalidArgumentError} if a level comes twice, as it does with more steps than there are timesteps
 */
export function solverPlan(className: string, options: PlanOptions, visits: SolverVisits, end: number): Plan {
  const sigmas = [...visits.sigmas, end].map(Math.fround);
  const repeated = visits.sigmas.findIndex((_, i) => i > 0 && sigmas[i - 1] === sigmas[i]);
  if (repeated > 0) {
    throw new InvalidArgumentError(
      `${className}: steps ${repeated - 1} and ${repeated} are at the same noise level, ${sigmas[repeated]}. Ask for fewer steps, or give levels that differ.`,
    );
  }
  return {
    timesteps: visits.timesteps,
    sigmas,
    initNoiseSigma: 1,
    numInferenceSteps: visits.timesteps.length,
    custom: options.timesteps !== undefined,
  };
}

/** The space of a plan: with the config's shift, or with e^mu where the config says that it depends on the picture. */
export function readShift(config: ConfigReader, space: SolverSpace): (options: PlanOptions) => SolverSpace {
  const dynamic = config.boolean('use_dynamic_shifting', false);
  const type = config.oneOf('time_shift_type', timeShiftTypes, 'exponential');
  return ({ mu }) => {
    if (mu === undefined) return space;
    if (!dynamic || type !== 'exponential' || space.flowShift === undefined) {
      throw new InvalidArgumentError(
        `${config.className}: mu is ${mu}, and the config does not shift by it. Leave mu out, or set "use_flow_sigmas" and "use_dynamic_shifting" to true and "time_shift_type" to "exponential".`,
      );
    }
    return { ...space, flowShift: Math.exp(mu) };
  };
}

/** Where solvers end that never reach level 0: at the table's lowest level, or where the last step began. */
export function repeatedEnd(space: SolverSpace, options: PlanOptions, visits: SolverVisits): number {
  if (options.sigmas) return options.sigmas.at(-1)!;
  const spaced = space.sigmaSpacing !== undefined || space.flowShift !== undefined;
  return spaced ? visits.sigmas.at(-1)! : space.noiseSchedule.sigmas[0]!;
}

/** The noise level of a training timestep. */
export function trainingSigma({ flowShift, noiseSchedule }: SolverSpace, timestep: number): number {
  if (flowShift !== undefined) return timestep / noiseSchedule.sigmas.length;
  return interpolateTable(noiseSchedule.sigmas, timestep);
}
