// Diag-OFT and BOFT of LyCORIS (Qiu et al., 2023; Liu et al., 2024): a weight's outputs turned by orthogonal blocks.
import type { Tensor } from '@emulsion/tensor';
import type { Delta, FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import { invertMatrix } from './invert-matrix.ts';
import { type Place, pickRows } from './place.ts';

/**
 * R = (I + Q)(I − Q)⁻¹ for each block, with Q = `oft_blocks` − its transpose, cut to the norm alpha · out; or R =
 * `oft_diag` in old files. Diag-OFT, `[blocks, size, size]`, turns neighbouring rows: W' = Rᵀ · W. BOFT, `[stages, blocks,
 * size, size]`, turns rows that stage by stage lie further apart: W' = R · W. `rescale` `[out]` then scales them.
 */
export function oftChange(module: FileModule): FileChange {
  const blocks = module.get('oft_diag') ?? module.need('oft_blocks');
  const part = module.has('oft_diag') ? 'oft_diag' : 'oft_blocks';
  const size = blocks.dims.at(-1) ?? 1;
  const count = blocks.dims.at(-3) ?? 1;
  module.assertEqual(part, blocks.dims.at(-2) ?? 1, size);
  const rows = count * size;
  // The last stage of BOFT turns groups of so many rows.
  const widest = blocks.dims.length === 4 ? 2 ** (blocks.dims[0]! - 1) * size : 1;
  module.assertEqual(part, blocks.dims.length === 4 ? size % 2 : 0, 0);
  module.assertEqual(part, rows % widest, 0);
  const rescale = module.get('rescale');
  if (rescale) module.assertEqual('rescale', rescale.data.length, rows);
  return {
    rows,
    at: (place) => {
      const rotations = () =>
        part === 'oft_diag'
          ? Float64Array.from(blocks.data)
          : cayley(blocks, (module.number('alpha') ?? 0) * rows);
      const scales = rescale && pickRows(rescale.data, 1, place);
      if (blocks.dims.length === 4) {
        if (place.fileRows !== place.dims[0]) throw module.inseparable();
        return rotated(scales, (weight) => butterfly(weight, rotations(), blocks.dims));
      }
      const first = firstBlock(module, place, size);
      return rotated(scales, (weight) => turnBlocks(weight, rotations(), size, first));
    },
  };
}

/** The number of the first block that turns rows of a place. */
function firstBlock(module: FileModule, { rows }: Place, size: number): number {
  const [range] = rows;
  if (!range || rows.length > 1 || range.some((end) => end % size !== 0)) throw module.inseparable();
  return range[0] / size;
}

/** Rows in float64, `columns` elements each. */
interface Rows {
  readonly data: Float64Array;
  readonly columns: number;
}

function rotated(scales: Float32Array | undefined, turn: (rows: Rows) => Float64Array): Delta {
  return {
    needsBase: true,
    of: (base) => {
      const data = Float64Array.from(base.data);
      const columns = data.length / (base.dims[0] ?? 1);
      const turned = turn({ data, columns });
      for (let i = 0; i < turned.length; i++)
        turned[i] = turned[i]! * (scales?.[Math.floor(i / columns)] ?? 1) - base.data[i]!;
      return turned;
    },
  };
}

/** W'[k, m] = Σ_n R[k][n, m] · W[k, n], with the rows in blocks `k` from `first` on. */
function turnBlocks(
  { data, columns }: Rows,
  rotations: Float64Array,
  size: number,
  first: number,
): Float64Array {
  const turned = new Float64Array(data.length);
  const count = data.length / (columns * size);
  for (let k = 0; k < count; k++)
    for (let m = 0; m < size; m++)
      for (let n = 0; n < size; n++) {
        const factor = rotations[((first + k) * size + n) * size + m]!;
        const to = (k * size + m) * columns;
        const from = (k * size + n) * columns;
        for (let j = 0; j < columns; j++) turned[to + j]! += factor * data[from + j]!;
      }
  return turned;
}

/** The stages one after the other; stage `i` turns rows that lie 2^i · size / 2 apart. */
function butterfly({ data, columns }: Rows, rotations: Float64Array, dims: readonly number[]): Float64Array {
  const [stages = 1, count = 1, size = 1] = dims;
  let current = data;
  for (let stage = 0; stage < stages; stage++) {
    const distance = (2 ** stage * size) / 2;
    const next = new Float64Array(current.length);
    for (let block = 0; block < count; block++)
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++) {
          const factor = rotations[((stage * count + block) * size + i) * size + j]!;
          const to = strided(block * size + i, distance) * columns;
          const from = strided(block * size + j, distance) * columns;
          for (let c = 0; c < columns; c++) next[to + c]! += factor * current[from + c]!;
        }
    current = next;
  }
  return current;
}

/** Which row is the `index`-th when those that lie `distance` apart are put next to each other. */
function strided(index: number, distance: number): number {
  const group = Math.floor(index / (2 * distance));
  const inside = index % (2 * distance);
  return group * 2 * distance + (inside % 2) * distance + Math.floor(inside / 2);
}

/** The orthogonal matrices of skew-symmetric ones, Cayley's transform. */
function cayley(blocks: Tensor, maxNorm: number): Float64Array {
  const size = blocks.dims.at(-1) ?? 1;
  const skew = new Float64Array(blocks.data.length);
  let squares = 0;
  for (let i = 0; i < skew.length; i++) {
    const row = Math.floor(i / size) % size;
    const column = i % size;
    skew[i] = blocks.data[i]! - blocks.data[i - row * size - column + column * size + row]!;
    squares += skew[i]! ** 2;
  }
  const norm = Math.sqrt(squares);
  const shrink = maxNorm > 0 && norm > maxNorm ? maxNorm / norm : 1;
  const rotations = new Float64Array(skew.length);
  for (let start = 0; start < skew.length; start += size * size) {
    const plus = new Float64Array(size * size);
    const minus = new Float64Array(size * size);
    for (let i = 0; i < plus.length; i++) {
      const one = i % (size + 1) === 0 ? 1 : 0;
      plus[i] = one + shrink * skew[start + i]!;
      minus[i] = one - shrink * skew[start + i]!;
    }
    const inverse = invertMatrix(minus, size);
    for (let i = 0; i < size; i++)
      for (let k = 0; k < size; k++)
        for (let j = 0; j < size; j++)
          rotations[start + i * size + j]! += plus[i * size + k]! * inverse[k * size + j]!;
  }
  return rotations;
}
