// Rotary position embedding (Su et al. 2021) over several axes: pairs of channels turn by angles in proportion to positions.
import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';

/** Cosines and sines that each token's channels are multiplied by. */
export interface RotaryTables {
  /** `[1, sequence, 1, channels]` */
  readonly cosines: Tensor;
  /** The same, negative for the first channel of each pair. */
  readonly sines: Tensor;
}

/**
 * The angles of tokens: position times 10000^(−2i/axis) for pair i of an axis, worked out in float64.
 * @param positions `[sequence, axes]`
 * @param axes channels of each axis, even
 * @throws {InvalidArgumentError} if positions are not given for each axis
 */
export function rotaryTables(positions: Tensor, axes: readonly number[]): RotaryTables {
  const [sequence = 0, count] = positions.dims;
  if (positions.dims.length !== 2 || count !== axes.length) {
    throw new InvalidArgumentError(
      `transformer: positions are [${positions.dims.join(', ')}], this model takes [tokens, ${axes.length}].`,
    );
  }
  const channels = axes.reduce((sum, axis) => sum + axis, 0);
  const [cosines, sines] = [new Float32Array(sequence * channels), new Float32Array(sequence * channels)];
  for (let token = 0; token < sequence; token++) {
    let at = token * channels;
    for (const [axis, size] of axes.entries()) {
      for (let pair = 0; pair < size / 2; pair++) {
        const angle = positions.data[token * axes.length + axis]! / 10000 ** ((2 * pair) / size);
        cosines.fill(Math.cos(angle), at, at + 2);
        sines[at] = -Math.sin(angle);
        sines[at + 1] = Math.sin(angle);
        at += 2;
      }
    }
  }
  const dims = [1, sequence, 1, channels];
  return { cosines: tensor(cosines, dims), sines: tensor(sines, dims) };
}
