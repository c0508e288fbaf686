// LoRA, Hu et al. (2021): ΔW = alpha / rank · up · down; LoCon of LyCORIS has kernels in `down` and a core in `mid`.
import { type Tensor, tensor } from '@emulsion/tensor';
import { type FileChange, padRows } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import { type Factor, type Matrix, matrixOf, stored, tuckerProduct } from './matrix.ts';
import { columnsOf, pickRows } from './place.ts';

/** `down` `[rank, in, …kernel]`, `up` `[out, rank, 1, 1]`, and of a Tucker decomposition `mid` `[rank, rank, …kernel]`. */
export function loraChange(module: FileModule): FileChange {
  const up = module.need('up');
  const down = downFactor(module);
  const { rows, columns: rank } = matrixOf(up);
  module.assertEqual('up', rank, down.rows);
  const scaled = scaledBy(up.data, module.scaling(rank));
  return {
    rank,
    rows,
    columns: down.columns,
    at: (place) => {
      const { dims } = place;
      const columns = columnsOf(place);
      const inner = columns === down.columns ? float32Of(down.matrix()) : padRows(down.matrix(), columns);
      const ones = dims.slice(2).map(() => 1);
      return {
        form: 'low-rank',
        down: tensor(inner, [rank, ...dims.slice(1)]),
        up: tensor(pickRows(scaled, rank, place), [dims[0] ?? 1, rank, ...ones]),
      };
    },
  };
}

/** The bias of `up`, which PEFT can have, as a change of the module's. */
export function loraBias(module: FileModule): Tensor | undefined {
  const bias = module.get('up_bias');
  if (!bias) return undefined;
  const rank = matrixOf(module.need('up')).columns;
  return tensor(scaledBy(bias.data, module.scaling(rank)), bias.dims);
}

function downFactor(module: FileModule): Factor {
  const down = matrixOf(module.need('down'));
  const mid = module.get('mid');
  if (!mid) return stored(down);
  module.assertEqual('mid', mid.dims[1] ?? 1, down.rows);
  return tuckerProduct(mid, down);
}

const float32Of = ({ data }: Matrix) => (data instanceof Float32Array ? data : new Float32Array(data));

/** The values times a scale; in place, as they were read for this alone. */
function scaledBy(values: Float32Array, scale: number): Float32Array {
  if (scale !== 1) for (let i = 0; i < values.length; i++) values[i] = scale * values[i]!;
  return values;
}
