// LoRA, Hu et al. (2021): ΔW = alpha / rank · up · down; LoCon of LyCORIS has kernels in `down` and a core in `mid`.
import { reshape, sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import { type FileChange, padRows } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import { type Matrix, matrixOf, tuckerProduct } from './matrix.ts';
import { columnsOf, isWhole, pickRows } from './place.ts';

/** `down` `[rank, in, …kernel]`, `up` `[out, rank, 1, 1]`, and of a Tucker decomposition `mid` `[rank, rank, …kernel]`. */
export function loraChange(module: FileModule): FileChange {
  const up = module.need('up');
  const down = downFactor(module);
  const [rows, rank] = sizesOf(up);
  module.assertEqual('up', rank, down.rows);
  const scale = module.scaling(rank);
  let scaledUp: Float32Array | undefined;
  return {
    rank,
    rows,
    columns: down.columns,
    at: (place) => {
      const { dims } = place;
      const ones = dims.slice(2).map(() => 1);
      const placedDims = [dims[0] ?? 1, rank, ...ones];
      // What is the file's own as it lies there stays in the file's own bytes.
      const isStored = scale === 1 && isWhole(place);
      if (!isStored) scaledUp ??= scaledBy(up.data, scale);
      return {
        form: 'low-rank',
        down: down.of([rank, ...dims.slice(1)], columnsOf(place)),
        up: scaledUp ? tensor(pickRows(scaledUp, rank, place), placedDims) : reshape(up, placedDims),
      };
    },
  };
}

/** The bias of `up`, which PEFT can have, as a change of the module's. */
export function loraBias(module: FileModule): Tensor | undefined {
  const bias = module.get('up_bias');
  if (!bias) return undefined;
  const [, rank] = sizesOf(module.need('up'));
  return tensor(scaledBy(bias.data, module.scaling(rank)), bias.dims);
}

/** The inner factor of a change, as a tensor when it is wanted: a file of few bytes can ask for a very large one. */
interface DownFactor {
  readonly rows: number;
  readonly columns: number;
  /** With these dims, and zeros behind each row if they are for more columns. */
  of(dims: readonly number[], columns: number): Tensor;
}

function downFactor(module: FileModule): DownFactor {
  const down = module.need('down');
  const mid = module.get('mid');
  const [rows, columns] = sizesOf(down);
  if (!mid) {
    return {
      rows,
      columns,
      of: (dims, wanted) =>
        columns === wanted ? reshape(down, dims) : tensor(padRows(matrixOf(down), wanted), dims),
    };
  }
  module.assertEqual('mid', mid.dims[1] ?? 1, rows);
  const product = tuckerProduct(mid, matrixOf(down));
  return {
    ...product,
    of: (dims, wanted) =>
      tensor(
        product.columns === wanted ? float32Of(product.matrix()) : padRows(product.matrix(), wanted),
        dims,
      ),
  };
}

/** Rows and columns of a matrix as `matrixOf` makes it, without looking at its elements. */
function sizesOf({ dims }: Tensor): readonly [rows: number, columns: number] {
  const [rows = 1] = dims;
  return [rows, rows === 0 ? 0 : sizeOf(dims) / rows];
}

const float32Of = ({ data }: Matrix) => (data instanceof Float32Array ? data : new Float32Array(data));

const scaledBy = (values: Float32Array, scale: number): Float32Array =>
  scale === 1 ? values : values.map((value) => scale * value);
