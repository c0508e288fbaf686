// Which training timesteps a sampler visits (Lin et al. 2023, table 2).
import { linspace } from './linspace.ts';
import { roundHalfEven } from './round-half-even.ts';

/**
 * `linspace` visits the first and the last timestep and evenly spaced ones between; `leading` visits multiples of a
 * whole stride, and so never the last; `trailing` counts down from the last.
 */
export const timestepSpacings = ['linspace', 'leading', 'trailing'] as const;
export type TimestepSpacing = (typeof timestepSpacings)[number];

export interface TimestepSpacingOptions {
  spacing: TimestepSpacing;
  numTrainTimesteps: number;
  numInferenceSteps: number;
  /** Added to every timestep of `leading`. */
  stepsOffset: number;
  /** For `linspace` and `leading`: space one timestep more and leave out the lowest, as solvers do that end below it. */
  skipLowest?: boolean;
  /** Where the counting down starts; `numTrainTimesteps` if not given. */
  end?: number;
}

/** Timesteps, descending; those of `linspace` are not rounded. */
export function spaceTimesteps(options: TimestepSpacingOptions): number[] {
  const { spacing, numTrainTimesteps, numInferenceSteps, stepsOffset, skipLowest = false } = options;
  const end = options.end ?? numTrainTimesteps;
  const count = numInferenceSteps + (skipLowest ? 1 : 0);
  switch (spacing) {
    case 'linspace':
      return linspace(0, end - 1, count)
        .reverse()
        .slice(0, numInferenceSteps);
    case 'leading': {
      const stride = Math.floor(end / count);
      return Array.from({ length: numInferenceSteps }, (_, i) => (count - 1 - i) * stride + stepsOffset);
    }
    case 'trailing': {
      const stride = numTrainTimesteps / numInferenceSteps;
      const length = Math.min(Math.ceil(end / stride), numInferenceSteps);
      const step = end - stride - end;
      return Array.from({ length }, (_, i) => roundHalfEven(end + i * step) - 1);
    }
  }
}
