// Sinusoidal features of timesteps (Vaswani et al. 2017; Ho et al. 2020), as diffusers' `get_timestep_embedding`.
import { type Tensor, tensor } from '@emulsion/tensor';

export interface TimestepFeaturesOptions {
  /** Length of each feature vector. */
  readonly channels: number;
  /** Cosines before sines. */
  readonly flipSinToCos: boolean;
  /** Shifts the lowest frequency: exponent −ln(10000)·i / (channels/2 − shift). */
  readonly frequencyShift: number;
}

/**
 * Features of one number for each sample.
 * @returns `[values.length, channels]`, rounded to float32 after each operation as the reference does
 */
export function timestepFeatures(values: readonly number[], options: TimestepFeaturesOptions): Tensor {
  const { channels, flipSinToCos, frequencyShift } = options;
  const half = Math.floor(channels / 2);
  const features = new Float32Array(values.length * channels);
  const [sines, cosines] = flipSinToCos ? [half, 0] : [0, half];
  for (let i = 0; i < half; i++) {
    const exponent = Math.fround(Math.fround(-Math.log(10000) * i) / Math.fround(half - frequencyShift));
    const frequency = Math.fround(Math.exp(exponent));
    values.forEach((value, row) => {
      const angle = Math.fround(Math.fround(value) * frequency);
      features[row * channels + sines + i] = Math.sin(angle);
      features[row * channels + cosines + i] = Math.cos(angle);
    });
  }
  return tensor(features, [values.length, channels]);
}
