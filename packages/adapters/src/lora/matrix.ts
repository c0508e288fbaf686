// Matrices whose products are summed in float64.
import { sizeOf, type Tensor } from '@emulsion/tensor';

/** A matrix in row-major order. */
export interface Matrix {
  readonly data: Float32Array | Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** A tensor with all dimensions but the first in the columns; a vector is a column. */
export function matrixOf({ data, dims }: Tensor): Matrix {
  const rows = dims[0] ?? 1;
  return { data, rows, columns: rows === 0 ? 0 : data.length / rows };
}

export function transposed({ data, rows, columns }: Matrix): Matrix {
  const turned = new Float64Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = data[row * columns + column]!;
  return { data: turned, rows: columns, columns: rows };
}

/** Row `row` of `left · right`, written over `out`. */
export function productRow(left: Matrix, row: number, right: Matrix, out: Float64Array): void {
  const { data, columns } = right;
  const first = row * left.columns;
  out.fill(0);
  let k = 0;
  // Four rows at a time, so that the sum is read and written a quarter as often.
  for (; k + 4 <= left.columns; k += 4) {
    const a = left.data[first + k]!;
    const b = left.data[first + k + 1]!;
    const c = left.data[first + k + 2]!;
    const d = left.data[first + k + 3]!;
    const start = k * columns;
    for (let i = 0, j = start; i < columns; i++, j++) {
      out[i]! +=
        a * data[j]! + b * data[j + columns]! + c * data[j + 2 * columns]! + d * data[j + 3 * columns]!;
    }
  }
  for (; k < left.columns; k++) {
    const a = left.data[first + k]!;
    for (let i = 0, j = k * columns; i < columns; i++, j++) out[i]! += a * data[j]!;
  }
}

/** Row `row` of `scale · first ⊗ second`, written over `out`. */
export function kroneckerRow(
  first: Matrix,
  second: Matrix,
  row: number,
  scale: number,
  out: Float32Array | Float64Array,
): void {
  const outer = Math.floor(row / second.rows) * first.columns;
  const inner = (row % second.rows) * second.columns;
  for (let i = 0, j = 0; i < first.columns; i++) {
    const value = scale * first.data[outer + i]!;
    for (let k = 0; k < second.columns; k++, j++) out[j] = value * second.data[inner + k]!;
  }
}

/** A matrix that is worked out when it is wanted: a file of few bytes can ask for a very large one. */
export interface Factor {
  readonly rows: number;
  readonly columns: number;
  readonly matrix: () => Matrix;
}

/** A matrix as it is stored. */
export const stored = (matrix: Matrix): Factor => ({ ...matrix, matrix: () => matrix });

function workedOut(rows: number, columns: number, work: (data: Float64Array) => void): Factor {
  let matrix: Matrix | undefined;
  return {
    rows,
    columns,
    matrix: () => {
      if (matrix) return matrix;
      const data = new Float64Array(rows * columns);
      work(data);
      matrix = { data, rows, columns };
      return matrix;
    },
  };
}

export const identity = (size: number): Factor =>
  workedOut(size, size, (data) => {
    for (let i = 0; i < size; i++) data[i * size + i] = 1;
  });

/** `left · right` */
export const product = (left: Factor, right: Factor): Factor =>
  workedOut(left.rows, right.columns, (data) => {
    for (let row = 0; row < left.rows; row++)
      productRow(
        left.matrix(),
        row,
        right.matrix(),
        data.subarray(row * right.columns, (row + 1) * right.columns),
      );
  });

/**
 * A Tucker core times its inner factor: `Σ_j core[i, j, k] · inner[j, r]` as a matrix `[i, r·k]`. What is left of the
 * decomposition is then a product of two matrices.
 * @param core `[rank, rank, …kernel]`
 * @param inner `[rank, in]`
 */
export function tuckerProduct(core: Tensor, inner: Matrix): Factor {
  const { data: values } = core;
  const [outer = 1, rank = 1, ...kernelDims] = core.dims;
  const kernel = sizeOf(kernelDims);
  const columns = inner.columns * kernel;
  return workedOut(outer, columns, (data) => {
    for (let i = 0; i < outer; i++)
      for (let j = 0; j < rank; j++)
        for (let r = 0; r < inner.columns; r++) {
          const factor = inner.data[j * inner.columns + r]!;
          const from = (i * rank + j) * kernel;
          const to = i * columns + r * kernel;
          for (let k = 0; k < kernel; k++) data[to + k]! += factor * values[from + k]!;
        }
  });
}
