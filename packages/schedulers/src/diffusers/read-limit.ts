// The keys about the range of x̂₀.
import type { Limit } from '../limit-denoised.ts';
import type { ConfigReader } from './config-reader.ts';

/** Dynamic thresholding, if the config says so. */
export function readThresholding(config: ConfigReader): Limit {
  const thresholding = config.boolean('thresholding', false);
  const ratio = config.number('dynamic_thresholding_ratio', 0.995, { least: 0 });
  const maxValue = config.number('sample_max_value', 1, { above: 0 });
  return thresholding ? { kind: 'threshold', ratio, maxValue } : { kind: 'none' };
}

/** Clipping, if the config says so. */
export function readClipping(config: ConfigReader, fallback: boolean): Limit {
  const clip = config.boolean('clip_sample', fallback);
  const range = config.number('clip_sample_range', 1, { above: 0 });
  return clip ? { kind: 'clip', range } : { kind: 'none' };
}

/** Thresholding, or else clipping, of the classes that have both. */
export function readLimit(config: ConfigReader, clipFallback: boolean): Limit {
  const threshold = readThresholding(config);
  const clip = readClipping(config, clipFallback);
  return threshold.kind === 'threshold' ? threshold : clip;
}
