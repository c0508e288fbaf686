// LoKr of LyCORIS (KronA, Edalati et al., 2022): a Kronecker product whose factors may be products of low rank.
import { tensor } from '@emulsion/tensor';
import { deltaByRows, type FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import {
  type Factor,
  identity,
  kroneckerRow,
  type Matrix,
  matrixOf,
  product,
  stored,
  transposed,
  tuckerProduct,
} from './matrix.ts';
import { columnsOf, fileRowsOf, type Place } from './place.ts';

/**
 * ΔW = alpha / rank · w1 ⊗ w2, with `w1` `[a, c]` and `w2` `[b, d, …kernel]` for a weight `[a·b, c·d, …kernel]`. The
 * scale is 1 if neither is a product.
 */
export function lokrChange(module: FileModule): FileChange {
  const w1 = firstFactor(module);
  const w2 = secondFactor(module);
  const rank = w2.rank ?? w1.rank;
  const scale = rank === undefined ? 1 : module.scaling(rank);
  return {
    ...(rank !== undefined && { rank }),
    rows: w1.left.rows * w2.left.rows,
    columns: w1.right.columns * w2.right.columns,
    at: (place) => {
      const rows = place.dims[0] ?? 1;
      const columns = columnsOf(place);
      const fits = columns === w1.right.columns * w2.right.columns;
      // (A · B) ⊗ (C · D) is (A ⊗ C) · (B ⊗ D), which is kept where it is the smaller form.
      const ranks = w1.left.columns * w2.left.columns;
      if (fits && ranks * (rows + columns) <= rows * columns) {
        const ones = place.dims.slice(2).map(() => 1);
        const up = placedRows(place, w1.left.matrix(), w2.left.matrix(), scale);
        const down = new Float32Array(ranks * columns);
        for (let row = 0; row < ranks; row++) {
          const out = down.subarray(row * columns, (row + 1) * columns);
          kroneckerRow(w1.right.matrix(), w2.right.matrix(), row, 1, out);
        }
        return {
          form: 'low-rank',
          down: tensor(down, [ranks, ...place.dims.slice(1)]),
          up: tensor(up, [rows, ranks, ...ones]),
        };
      }
      const first = joined(w1);
      const second = joined(w2);
      return deltaByRows(place, false, (row, _, out) => kroneckerRow(first, second, row, scale, out));
    },
  };
}

/** The rows of a place out of a Kronecker product. */
function placedRows(place: Place, first: Matrix, second: Matrix, scale: number): Float32Array {
  const columns = first.columns * second.columns;
  const rows = new Float32Array((place.dims[0] ?? 1) * columns);
  let start = 0;
  for (const row of fileRowsOf(place)) {
    kroneckerRow(first, second, row, scale, rows.subarray(start, start + columns));
    start += columns;
  }
  return rows;
}

/** A factor of the Kronecker product as a product itself; one that is whole has the identity on its right. */
interface SplitFactor {
  readonly left: Factor;
  readonly right: Factor;
  readonly rank?: number;
}

const whole = (matrix: Matrix): SplitFactor => ({ left: stored(matrix), right: identity(matrix.columns) });

const joined = ({ left, right, rank }: SplitFactor): Matrix =>
  rank === undefined ? left.matrix() : product(left, right).matrix();

function firstFactor(module: FileModule): SplitFactor {
  const entire = module.get('lokr_w1');
  if (entire) return whole(matrixOf(entire));
  const a = matrixOf(module.need('lokr_w1_a'));
  const b = matrixOf(module.need('lokr_w1_b'));
  module.assertEqual('lokr_w1_b', b.rows, a.columns);
  return { left: stored(a), right: stored(b), rank: b.rows };
}

function secondFactor(module: FileModule): SplitFactor {
  const entire = module.get('lokr_w2');
  if (entire) return whole(matrixOf(entire));
  const a = matrixOf(module.need('lokr_w2_a'));
  const b = matrixOf(module.need('lokr_w2_b'));
  const core = module.get('lokr_t2');
  if (!core) {
    module.assertEqual('lokr_w2_b', b.rows, a.columns);
    return { left: stored(a), right: stored(b), rank: b.rows };
  }
  module.assertEqual('lokr_t2', core.dims[0] ?? 1, a.rows);
  module.assertEqual('lokr_t2', core.dims[1] ?? 1, b.rows);
  return { left: stored(transposed(a)), right: tuckerProduct(core, b), rank: b.rows };
}
