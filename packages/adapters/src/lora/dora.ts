// DoRA, Liu et al. (2024): a weight's direction is changed by another adapter, its magnitude is learned apart.
import type { Tensor } from '@emulsion/tensor';
import type { Delta } from './file-change.ts';
import { type Place, pickRows } from './place.ts';

/** Along what a magnitude is given: one for each output, or one for each input. */
export type MagnitudeAxis = 'output' | 'input';

/**
 * W' = (W + Δ) · magnitude / ‖W + Δ‖, the norm taken for each output or each input; ΔW is W' − W.
 * @param magnitude `[out]` of the file's module or `[in]`, whatever its dims of size 1
 */
export function doraDelta(delta: Delta, magnitude: Tensor, axis: MagnitudeAxis, place: Place): Delta {
  const [rows = 1, inputs = 1] = place.dims;
  const wanted = axis === 'output' ? pickRows(magnitude.data, 1, place) : magnitude.data;
  return {
    needsBase: true,
    of: (base) => {
      const changed = delta.of(base);
      const { data } = base;
      const columns = data.length / rows;
      const kernel = columns / inputs;
      for (let i = 0; i < data.length; i++) changed[i]! += data[i]!;
      const squares = new Float64Array(wanted.length);
      for (let row = 0, i = 0; row < rows; row++)
        for (let column = 0; column < columns; column++, i++)
          squares[axis === 'output' ? row : Math.floor(column / kernel)]! += changed[i]! ** 2;
      const scales = squares.map((square, i) => (square === 0 ? 0 : wanted[i]! / Math.sqrt(square)));
      for (let row = 0, i = 0; row < rows; row++)
        for (let column = 0; column < columns; column++, i++) {
          const scale = scales[axis === 'output' ? row : Math.floor(column / kernel)]!;
          changed[i] = changed[i]! * scale - data[i]!;
        }
      return changed;
    },
  };
}
