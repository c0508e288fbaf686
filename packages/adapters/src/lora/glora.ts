// GLoRA of LyCORIS (Chavan et al., 2023): a change of low rank of the weight, and one that the weight is multiplied by.
import { deltaByRows, type FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import { type Factor, type Matrix, matrixOf, productRow, stored, tuckerProduct } from './matrix.ts';

/**
 * ΔW = alpha / rank · (W · a1 · a2 + b1 · b2), with `a1` `[in, rank]`, `a2` `[rank, in]`, `b1` `[out, rank]` and `b2`
 * `[rank, in, …kernel]`. Old files have 1 and 2 the other way round.
 */
export function gloraChange(module: FileModule): FileChange {
  const [a1, a2, b1, b2] = orderedFactors(module);
  const rank = a1.columns;
  const scale = module.scaling(rank);
  return {
    rank,
    rows: b1.rows,
    columns: b2.columns,
    at: (place) => {
      const wide = b2.matrix();
      const kernel = b2.columns / a2.columns;
      const inner = new Float64Array(rank * kernel);
      return deltaByRows(place, true, (row, base, out) => {
        productRow(b1, row, wide, out);
        inner.fill(0);
        for (let i = 0; i < a1.rows; i++)
          for (let j = 0; j < rank; j++) {
            const factor = a1.data[i * rank + j]!;
            for (let k = 0; k < kernel; k++) inner[j * kernel + k]! += factor * base[i * kernel + k]!;
          }
        for (let j = 0; j < rank; j++)
          for (let i = 0; i < a2.columns; i++) {
            const factor = a2.data[j * a2.columns + i]!;
            for (let k = 0; k < kernel; k++) out[i * kernel + k]! += factor * inner[j * kernel + k]!;
          }
        for (let i = 0; i < out.length; i++) out[i]! *= scale;
      });
    },
  };
}

type Factors = readonly [a1: Matrix, a2: Matrix, b1: Matrix, b2: Factor];

/** The factors in the order of new files, whose first ones are tall and second ones wide. */
function orderedFactors(module: FileModule): Factors {
  const a1 = matrixOf(module.need('glora_a1'));
  const a2 = matrixOf(module.need('glora_a2'));
  const b1 = matrixOf(module.need('glora_b1'));
  const b2 = matrixOf(module.need('glora_b2'));
  const core = module.get('glora_bm');
  const fits = ([p, q, r, s]: Factors) =>
    p.columns === q.rows && p.columns === r.columns && p.columns === s.rows && p.rows === q.columns;
  const current: Factors = [a1, a2, b1, core ? tuckerProduct(core, b2) : stored(b2)];
  if (fits(current)) return current;
  const old: Factors = [a2, a1, b2, stored(b1)];
  module.assertEqual('glora_a1', fits(old) ? 1 : 0, 1);
  return old;
}
