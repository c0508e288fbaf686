// The keys about which timesteps and which noise levels are visited.
import { betaSigmas } from '../beta-sigmas.ts';
import { exponentialSigmas } from '../exponential-sigmas.ts';
import { karrasSigmas, type SigmaRange } from '../karras-sigmas.ts';
import { type TimestepSpacing, timestepSpacings } from '../timestep-spacing.ts';
import type { ConfigReader } from './config-reader.ts';

/** Spacings of noise levels that a config can ask for, with the key that does. */
const sigmaSpacingKeys = {
  karras: 'use_karras_sigmas',
  exponential: 'use_exponential_sigmas',
  beta: 'use_beta_sigmas',
  lu: 'use_lu_lambdas',
} as const;
export type SigmaSpacing = keyof typeof sigmaSpacingKeys;

/** The spacing that the config asks for, of those that the class has; `undefined`: that of the timesteps. */
export function readSigmaSpacing(
  config: ConfigReader,
  available: readonly SigmaSpacing[] = ['karras', 'exponential', 'beta'],
): SigmaSpacing | undefined {
  const asked = available.filter((spacing) => config.boolean(sigmaSpacingKeys[spacing], false));
  if (asked.length > 1) {
    const keys = asked.map((spacing) => sigmaSpacingKeys[spacing]);
    config.contradiction(keys, `${keys.map((key) => `"${key}"`).join(' and ')} are both true. Choose one.`);
  }
  return asked[0];
}

const makers: { readonly [S in SigmaSpacing]: (range: SigmaRange) => number[] } = {
  karras: karrasSigmas,
  exponential: exponentialSigmas,
  beta: betaSigmas,
  // Evenly spaced in λ = -log σ.
  lu: exponentialSigmas,
};

/** Noise levels of a spacing, descending, without a last 0. */
export function spaceSigmas(spacing: SigmaSpacing, range: SigmaRange): number[] {
  return makers[spacing](range).slice(0, -1);
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
