// Changes that a file has in full: `diff` of LyCORIS and ComfyUI, and those of norms.
import type { Tensor } from '@emulsion/tensor';
import { deltaByRows, type FileChange } from './file-change.ts';
import { matrixOf } from './matrix.ts';

/** ΔW as it is, `[out, in, …kernel]`. */
export function differenceChange(diff: Tensor): FileChange {
  const { data, rows, columns } = matrixOf(diff);
  return {
    rows,
    columns,
    at: (place) =>
      deltaByRows(place, false, (row, _, out) => out.set(data.subarray(row * columns, (row + 1) * columns))),
  };
}
