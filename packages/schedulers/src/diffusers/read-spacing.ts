// The keys about which timesteps and which noise levels are visited.
import { alignYourStepsSigmas } from '../align-your-steps.ts';
import { betaSigmas } from '../beta-sigmas.ts';
import { SchedulerConfigError } from '../errors.ts';
import { exponentialSigmas } from '../exponential-sigmas.ts';
import { karrasSigmas, type SigmaRange } from '../karras-sigmas.ts';
import { klOptimalSigmas } from '../kl-optimal-sigmas.ts';
import { linearQuadraticSigmas } from '../linear-quadratic-sigmas.ts';
import { polyexponentialSigmas } from '../polyexponential-sigmas.ts';
import { sgmUniformSigmas, simpleSigmas } from '../table-sigmas.ts';
import { type TimestepSpacing, timestepSpacings } from '../timestep-spacing.ts';
import type { ConfigReader } from './config-reader.ts';

/** Spacings that diffusers has, with the key of a config that asks for them. */
const spacingKeys = {
  karras: 'use_karras_sigmas',
  exponential: 'use_exponential_sigmas',
  beta: 'use_beta_sigmas',
  lu: 'use_lu_lambdas',
} as const;

/** Spacings that diffusers does not have; the key `sigma_spacing` of a config asks for them by these names. */
export const furtherSpacings = [
  'polyexponential',
  'kl_optimal',
  'sgm_uniform',
  'simple',
  'linear_quadratic',
  'align_your_steps',
  'align_your_steps_sdxl',
  'align_your_steps_svd',
] as const;

export type SigmaSpacing = keyof typeof spacingKeys | (typeof furtherSpacings)[number];

/** The spacing that the config asks for, of those that the class has; `undefined`: that of the timesteps. */
export function readSigmaSpacing(
  config: ConfigReader,
  available: readonly (keyof typeof spacingKeys)[] = ['karras', 'exponential', 'beta'],
): SigmaSpacing | undefined {
  const asked: SigmaSpacing[] = available.filter((spacing) => config.boolean(spacingKeys[spacing], false));
  const keys: string[] = available
    .filter((spacing) => asked.includes(spacing))
    .map((spacing) => spacingKeys[spacing]);
  const further = config.optionalOneOf('sigma_spacing', furtherSpacings);
  if (further) {
    asked.push(further);
    keys.push('sigma_spacing');
  }
  if (asked.length > 1) {
    config.contradiction(
      keys,
      `the config asks for noise levels spaced as ${asked.join(' and as ')}. Choose one.`,
    );
  }
  return asked[0];
}

/** What a spacing is made of: the range, and the model's table of levels, where there is one. */
export type SpacingOptions = SigmaRange & { table: Float32Array | undefined };

const makers: { readonly [S in SigmaSpacing]: (options: SpacingOptions) => number[] } = {
  karras: karrasSigmas,
  exponential: exponentialSigmas,
  beta: betaSigmas,
  // Evenly spaced in λ = -log σ.
  lu: exponentialSigmas,
  polyexponential: polyexponentialSigmas,
  kl_optimal: klOptimalSigmas,
  sgm_uniform: ({ steps, table }) => sgmUniformSigmas({ steps, table: neededTable(table) }),
  simple: ({ steps, table }) => simpleSigmas({ steps, table: neededTable(table) }),
  linear_quadratic: linearQuadraticSigmas,
  align_your_steps: ({ steps }) => alignYourStepsSigmas({ steps, model: 'sd1' }),
  align_your_steps_sdxl: ({ steps }) => alignYourStepsSigmas({ steps, model: 'sdxl' }),
  align_your_steps_svd: ({ steps }) => alignYourStepsSigmas({ steps, model: 'svd' }),
};

function neededTable(table: Float32Array | undefined): Float32Array {
  if (table) return table;
  throw new SchedulerConfigError(
    'scheduler config: "sigma_spacing" picks from a table of noise levels, which this class does not have. Choose "kl_optimal" or "polyexponential".',
    ['sigma_spacing'],
  );
}

/** Noise levels of a spacing, descending, without a last 0. */
export function spaceSigmas(spacing: SigmaSpacing, options: SpacingOptions): number[] {
  return makers[spacing](options).slice(0, -1);
}

/** Which timesteps the config asks for. */
export interface TimestepChoice {
  readonly spacing: TimestepSpacing;
  readonly stepsOffset: number;
}

export function readTimestepChoice(config: ConfigReader, fallback: TimestepSpacing): TimestepChoice {
  return {
    spacing: config.oneOf('timestep_spacing', timestepSpacings, fallback),
    stepsOffset: config.integer('steps_offset', 0),
  };
}
