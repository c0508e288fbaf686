// What the schedulers of flow matching share: levels from 1 to 0, shifted.
import { InvalidArgumentError } from '@emulsion/tensor';
import {
  shiftSigma,
  stretchToTerminal,
  type TimeShiftType,
  timeShift,
  timeShiftTypes,
} from '../flow-sigmas.ts';
import { linspace } from '../linspace.ts';
import { rectifiedFlow } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import type { PlanOptions } from '../scheduler.ts';
import type { ConfigReader } from './config-reader.ts';
import { readSigmaSpacing, type SigmaSpacing, spaceSigmas } from './read-spacing.ts';

/** The network answers with the velocity, and is fed the sample as it is. */
export const flowParameterization = createParameterization('flow_prediction', rectifiedFlow);

export interface FlowMatchSpace {
  readonly className: string;
  readonly numTrainTimesteps: number;
  readonly shift: number;
  readonly dynamic: boolean;
  readonly timeShiftType: TimeShiftType;
  readonly terminal: number | undefined;
  readonly inverted: boolean;
  readonly sigmaSpacing: SigmaSpacing | undefined;
}

export function readFlowMatchSpace(config: ConfigReader): FlowMatchSpace {
  // The keys that mu is computed from; pipelines do that.
  config.number('base_shift', 0.5);
  config.number('max_shift', 1.15);
  config.integer('base_image_seq_len', 256);
  config.integer('max_image_seq_len', 4096);
  return {
    className: config.className,
    numTrainTimesteps: config.integer('num_train_timesteps', 1000, 1),
    shift: config.number('shift', 1, { above: 0 }),
    dynamic: config.boolean('use_dynamic_shifting', false),
    timeShiftType: config.oneOf('time_shift_type', timeShiftTypes, 'exponential'),
    terminal: config.optionalNumber('shift_terminal'),
    inverted: config.boolean('invert_sigmas', false),
    sigmaSpacing: readSigmaSpacing(config),
  };
}

/** The levels of the training schedule's ends, float32, the shift already in them. */
function trainingEnds({ numTrainTimesteps, shift, dynamic }: FlowMatchSpace): [number, number] {
  const end = (sigma: number) => Math.fround(dynamic ? sigma : shiftSigma(Math.fround(sigma), shift));
  return [end(1), end(1 / numTrainTimesteps)];
}

/** The levels of a plan without the last one, float32. */
export function flowMatchSigmas(space: FlowMatchSpace, options: PlanOptions): number[] {
  const { numTrainTimesteps, dynamic, shift, timeShiftType, terminal, sigmaSpacing } = space;
  if (dynamic && options.mu === undefined) {
    throw new InvalidArgumentError(
      `${space.className}: mu is missing, the config says that the levels are shifted by it ("use_dynamic_shifting"). Give plan a mu.`,
    );
  }
  const [first, last] = trainingEnds(space);
  const given = options.sigmas?.at(-1) === 0 ? options.sigmas.slice(0, -1) : options.sigmas;
  const even =
    given?.map(Math.fround) ??
    options.timesteps?.map((timestep) => Math.fround(Math.fround(timestep) / numTrainTimesteps)) ??
    linspace(first * numTrainTimesteps, last * numTrainTimesteps, options.numInferenceSteps!).map(
      (timestep) => timestep / numTrainTimesteps,
    );
  const shifted = even.map((sigma) =>
    dynamic ? timeShift(sigma, options.mu!, timeShiftType) : shiftSigma(sigma, shift),
  );
  const stretched = terminal ? stretchToTerminal(shifted, terminal) : shifted;
  const spaced = sigmaSpacing
    ? spaceSigmas(sigmaSpacing, {
        steps: stretched.length,
        sigmaMin: stretched.at(-1)!,
        sigmaMax: stretched[0]!,
        table: undefined,
      })
    : stretched;
  return spaced.map(Math.fround);
}

/** What the network is fed at a level. */
export function flowTimestep(
  { numTrainTimesteps }: Pick<FlowMatchSpace, 'numTrainTimesteps'>,
  sigma: number,
): number {
  return Math.fround(sigma * numTrainTimesteps);
}
