// LoHa of LyCORIS (FedPara, Hyeon-Woo et al., 2022): the product, element by element, of two products of low rank.
import { deltaByRows, type FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import { type Matrix, matrixOf, productRow, transposed, tuckerProduct } from './matrix.ts';
import { columnsOf } from './place.ts';

/**
 * ΔW = alpha / rank · (w1_a · w1_b) ∘ (w2_a · w2_b), with `a` `[out, rank]` and `b` `[rank, in·kernel]`; with cores `t1`
 * and `t2` `[rank, rank, …kernel]` they are `[rank, out]` and `[rank, in]`.
 */
export function lohaChange(module: FileModule): FileChange {
  const first = factors(module, 'hada_w1_a', 'hada_w1_b', 'hada_t1');
  const second = factors(module, 'hada_w2_a', 'hada_w2_b', 'hada_t2');
  module.assertEqual('hada_w2_a', second.left.rows, first.left.rows);
  module.assertEqual('hada_w2_b', second.right.columns, first.right.columns);
  const rank = first.right.rows;
  const scale = module.scaling(rank);
  return {
    rank,
    rows: first.left.rows,
    columns: first.right.columns,
    at: (place) => {
      const other = new Float64Array(columnsOf(place));
      return deltaByRows(place, false, (row, _, out) => {
        productRow(first.left, row, first.right, out);
        productRow(second.left, row, second.right, other);
        for (let i = 0; i < out.length; i++) out[i]! *= scale * other[i]!;
      });
    },
  };
}

/** The factors of a product, whose core has gone into the right one. */
function factors(
  module: FileModule,
  a: 'hada_w1_a' | 'hada_w2_a',
  b: 'hada_w1_b' | 'hada_w2_b',
  t: 'hada_t1' | 'hada_t2',
): { left: Matrix; right: Matrix } {
  const left = matrixOf(module.need(a));
  const right = matrixOf(module.need(b));
  const core = module.get(t);
  if (!core) {
    module.assertEqual(b, right.rows, left.columns);
    return { left, right };
  }
  module.assertEqual(t, core.dims[0] ?? 1, left.rows);
  module.assertEqual(t, core.dims[1] ?? 1, right.rows);
  return { left: transposed(left), right: tuckerProduct(core, right) };
}
