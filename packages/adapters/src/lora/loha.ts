// LoHa of LyCORIS (FedPara, Hyeon-Woo et al., 2022): the product, element by element, of two products of low rank.
import { tensor } from '@emulsion/tensor';
import { deltaByRows, type FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import {
  type Factor,
  type Matrix,
  matrixOf,
  productRow,
  stored,
  transposed,
  tuckerProduct,
} from './matrix.ts';
import { columnsOf, pickRows } from './place.ts';

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
      const rows = place.dims[0] ?? 1;
      const columns = columnsOf(place);
      const [right, secondRight] = [first.right.matrix(), second.right.matrix()];
      // Of small ranks, one product of rank × rank is the smaller and quicker form.
      const ranks = rank * second.right.rows;
      if (columns === first.right.columns && ranks * (rows + columns) <= rows * columns) {
        const ones = place.dims.slice(2).map(() => 1);
        const up = pickRows(rowProducts(first.left, second.left, scale), ranks, place);
        return {
          form: 'low-rank',
          down: tensor(columnProducts(right, secondRight), [ranks, ...place.dims.slice(1)]),
          up: tensor(up, [rows, ranks, ...ones]),
        };
      }
      const other = new Float64Array(columns);
      return deltaByRows(place, false, (row, _, out) => {
        productRow(first.left, row, right, out);
        productRow(second.left, row, secondRight, other);
        for (let i = 0; i < out.length; i++) out[i]! *= scale * other[i]!;
      });
    },
  };
}

/** For each row all products of an element of `a` with one of `b`: (A · B) ∘ (C · D) is a product of these. */
function rowProducts(a: Matrix, b: Matrix, scale: number): Float32Array {
  const products = new Float32Array(a.rows * a.columns * b.columns);
  for (let row = 0, to = 0; row < a.rows; row++)
    for (let i = 0; i < a.columns; i++) {
      const factor = scale * a.data[row * a.columns + i]!;
      for (let j = 0; j < b.columns; j++, to++) products[to] = factor * b.data[row * b.columns + j]!;
    }
  return products;
}

/** The same for each column. */
function columnProducts(a: Matrix, b: Matrix): Float32Array {
  const products = new Float32Array(a.rows * b.rows * a.columns);
  for (let i = 0, to = 0; i < a.rows; i++)
    for (let j = 0; j < b.rows; j++)
      for (let column = 0; column < a.columns; column++, to++)
        products[to] = a.data[i * a.columns + column]! * b.data[j * a.columns + column]!;
  return products;
}

/** The factors of a product, whose core has gone into the right one. */
function factors(
  module: FileModule,
  a: 'hada_w1_a' | 'hada_w2_a',
  b: 'hada_w1_b' | 'hada_w2_b',
  t: 'hada_t1' | 'hada_t2',
): { left: Matrix; right: Factor } {
  const left = matrixOf(module.need(a));
  const right = matrixOf(module.need(b));
  const core = module.get(t);
  if (!core) {
    module.assertEqual(b, right.rows, left.columns);
    return { left, right: stored(right) };
  }
  module.assertEqual(t, core.dims[0] ?? 1, left.rows);
  module.assertEqual(t, core.dims[1] ?? 1, right.rows);
  return { left: transposed(left), right: tuckerProduct(core, right) };
}
