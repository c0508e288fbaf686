// The inverse of a square matrix by Gauss and Jordan's elimination with partial pivoting.

/**
 * @param matrix `[size, size]`, not singular; I − Q never is for a skew-symmetric Q
 * @returns its inverse, `[size, size]`
 */
export function invertMatrix(matrix: Float64Array, size: number): Float64Array {
  const left = matrix.slice();
  const right = new Float64Array(size * size);
  for (let i = 0; i < size; i++) right[i * size + i] = 1;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++)
      if (Math.abs(left[row * size + column]!) > Math.abs(left[pivot * size + column]!)) pivot = row;
    swapRows(left, pivot, column, size);
    swapRows(right, pivot, column, size);
    const scale = 1 / left[column * size + column]!;
    for (let j = 0; j < size; j++) {
      left[column * size + j]! *= scale;
      right[column * size + j]! *= scale;
    }
    for (let row = 0; row < size; row++) {
      const factor = left[row * size + column]!;
      if (row === column || factor === 0) continue;
      for (let j = 0; j < size; j++) {
        left[row * size + j]! -= factor * left[column * size + j]!;
        right[row * size + j]! -= factor * right[column * size + j]!;
      }
    }
  }
  return right;
}

function swapRows(matrix: Float64Array, a: number, b: number, size: number): void {
  if (a === b) return;
  const row = matrix.slice(a * size, (a + 1) * size);
  matrix.copyWithin(a * size, b * size, (b + 1) * size);
  matrix.set(row, b * size);
}
