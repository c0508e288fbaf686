// The keys about betas, which most classes have in common.
import {
  type BetaSchedule,
  betaSchedules,
  createNoiseSchedule,
  type NoiseSchedule,
} from '../noise-schedule.ts';
import type { ConfigReader } from './config-reader.ts';

export interface NoiseScheduleDefaults {
  betaStart?: number;
  betaEnd?: number;
  betaSchedule?: BetaSchedule;
  /** Whether the class has `rescale_betas_zero_snr`, and what is left of the signal then. */
  zeroSnr?: 'none' | 'exact' | 'almost';
}

/** The noise schedule of a config. */
export function readNoiseSchedule(config: ConfigReader, defaults: NoiseScheduleDefaults = {}): NoiseSchedule {
  const { zeroSnr = 'none' } = defaults;
  const trainedBetas = config.numbers('trained_betas');
  const numTrainTimesteps = config.integer('num_train_timesteps', 1000, 1);
  const rescaleBetasZeroSnr = zeroSnr !== 'none' && config.boolean('rescale_betas_zero_snr', false);
  if (trainedBetas && trainedBetas.length !== numTrainTimesteps) {
    config.contradiction(
      ['trained_betas', 'num_train_timesteps'],
      `"trained_betas" has ${trainedBetas.length} entries and "num_train_timesteps" is ${numTrainTimesteps}. Give one beta a timestep.`,
    );
  }
  return createNoiseSchedule({
    numTrainTimesteps,
    betaStart: config.number('beta_start', defaults.betaStart ?? 0.0001, { least: 0 }),
    betaEnd: config.number('beta_end', defaults.betaEnd ?? 0.02, { least: 0 }),
    betaSchedule: config.oneOf('beta_schedule', betaSchedules, defaults.betaSchedule ?? 'linear'),
    trainedBetas,
    rescaleBetasZeroSnr,
    // Schedulers that divide by the signal keep a trace of it.
    ...(rescaleBetasZeroSnr && zeroSnr === 'almost' ? { leastAlphaCumprod: 2 ** -24 } : {}),
  });
}
