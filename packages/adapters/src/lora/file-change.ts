// What the tensors of a module in a file say: how its weight changes, wherever its place is.
import { type Tensor, tensor } from '@emulsion/tensor';
import type { FullChange, LowRankChange } from '../module-change.ts';
import { type Matrix, matrixOf, productRow } from './matrix.ts';
import { columnsOf, fileRowsOf, type Place } from './place.ts';

/** A change as a function of the weight, in float64. */
export interface Delta {
  /** Whether the values of the weight matter, and not its dims alone. */
  readonly needsBase: boolean;
  /** What is added to a weight, in row-major order. */
  readonly of: (base: Tensor) => Float64Array;
}

/** The change of a weight before it has its place in the model. */
export interface FileChange {
  /** Rank of its factors, if it has any. */
  readonly rank?: number;
  /** Rows of the weight that it changes; left out if any number will do. */
  readonly rows?: number;
  /** Elements in each of these rows; left out if any number will do. */
  readonly columns?: number;
  /** The change at a place whose size has been checked. */
  readonly at: (place: Place) => LowRankChange | Delta;
}

/**
 * A change whose rows do not depend on each other.
 * @param writeRow writes row `fileRow` of the change over `out`; `base` is the same row of the module's own weight
 */
export function deltaByRows(
  place: Place,
  needsBase: boolean,
  writeRow: (fileRow: number, base: Float32Array, out: Float64Array) => void,
): Delta {
  const columns = columnsOf(place);
  return {
    needsBase,
    of: (base) => {
      const delta = new Float64Array(base.data.length);
      let start = 0;
      for (const fileRow of fileRowsOf(place)) {
        const end = start + columns;
        writeRow(fileRow, base.data.subarray(start, end), delta.subarray(start, end));
        start = end;
      }
      return delta;
    },
  };
}

/** `up · down` in full. */
export function lowRankDelta(change: LowRankChange): Delta {
  const up = matrixOf(change.up);
  const down = matrixOf(change.down);
  return {
    needsBase: false,
    of: () => {
      const delta = new Float64Array(up.rows * down.columns);
      for (let row = 0; row < up.rows; row++)
        productRow(up, row, down, delta.subarray(row * down.columns, (row + 1) * down.columns));
      return delta;
    },
  };
}

/** A delta as a change of a module. */
export const fullChange = ({ needsBase, of }: Delta): FullChange => ({
  form: 'full',
  needsBase,
  delta: (base) => tensor(new Float32Array(of(base)), base.dims),
});

/** A matrix with zeros behind each row, for weights of models that take more channels. */
export function padRows({ data, rows, columns }: Matrix, wanted: number): Float32Array {
  const padded = new Float32Array(rows * wanted);
  for (let row = 0; row < rows; row++)
    padded.set(data.subarray(row * columns, (row + 1) * columns), row * wanted);
  return padded;
}
