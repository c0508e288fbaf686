// LoKr of LyCORIS (KronA, Edalati et al., 2022): a Kronecker product whose factors may be products of low rank.
import { deltaByRows, type FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import { type Factor, matrixOf, product, stored, transposed, tuckerProduct } from './matrix.ts';

/**
 * ΔW = alpha / rank · w1 ⊗ w2, with `w1` `[a, c]` and `w2` `[b, d, …kernel]` for a weight `[a·b, c·d, …kernel]`. The
 * scale is 1 if neither is a product.
 */
export function lokrChange(module: FileModule): FileChange {
  const first = firstFactor(module);
  const second = secondFactor(module);
  const rank = second.rank ?? first.rank;
  const scale = rank === undefined ? 1 : module.scaling(rank);
  return {
    ...(rank !== undefined && { rank }),
    rows: first.factor.rows * second.factor.rows,
    columns: first.factor.columns * second.factor.columns,
    at: (place) => {
      const w1 = first.factor.matrix();
      const w2 = second.factor.matrix();
      return deltaByRows(place, false, (row, _, out) => {
        const outer = Math.floor(row / w2.rows) * w1.columns;
        const inner = (row % w2.rows) * w2.columns;
        for (let i = 0, j = 0; i < w1.columns; i++) {
          const value = scale * w1.data[outer + i]!;
          for (let k = 0; k < w2.columns; k++, j++) out[j] = value * w2.data[inner + k]!;
        }
      });
    },
  };
}

interface RankedFactor {
  readonly factor: Factor;
  readonly rank?: number;
}

function firstFactor(module: FileModule): RankedFactor {
  const whole = module.get('lokr_w1');
  if (whole) return { factor: stored(matrixOf(whole)) };
  const a = matrixOf(module.need('lokr_w1_a'));
  const b = matrixOf(module.need('lokr_w1_b'));
  module.assertEqual('lokr_w1_b', b.rows, a.columns);
  return { factor: product(stored(a), stored(b)), rank: b.rows };
}

function secondFactor(module: FileModule): RankedFactor {
  const whole = module.get('lokr_w2');
  if (whole) return { factor: stored(matrixOf(whole)) };
  const a = matrixOf(module.need('lokr_w2_a'));
  const b = matrixOf(module.need('lokr_w2_b'));
  const core = module.get('lokr_t2');
  if (!core) {
    module.assertEqual('lokr_w2_b', b.rows, a.columns);
    return { factor: product(stored(a), stored(b)), rank: b.rows };
  }
  module.assertEqual('lokr_t2', core.dims[0] ?? 1, a.rows);
  module.assertEqual('lokr_t2', core.dims[1] ?? 1, b.rows);
  return { factor: product(stored(transposed(a)), tuckerProduct(core, b)), rank: b.rows };
}
