// The comparison of numbers with recorded ones.

/** The difference allowed for each element: `atol + rtol · |recorded value|`. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** Numbers and their dimensions: a Tensor or an array of the golden data. */
export interface Numbers {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

/**
 * Checks that `actual` has the dimensions of `expected` and every element within the tolerance; NaN equals NaN, and an
 * infinity itself.
 * @param name what the message calls the tensor
 * @throws {Error} with the largest difference, where it is, what was allowed there and how many elements are off
 */
export function assertClose(
  name: string,
  actual: Numbers,
  expected: Numbers,
  { atol, rtol }: Tolerance,
): void {
  if (String(actual.dims) !== String(expected.dims)) {
    throw new Error(`${name}: dims are [${actual.dims.join(', ')}] instead of [${expected.dims.join(', ')}]`);
  }
  let off = 0;
  let worst = -1;
  let worstExcess = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const a = actual.data[i]!;
    const b = expected.data[i]!;
    if (Object.is(a, b) || a === b) continue;
    const difference = Math.abs(Number(a) - Number(b));
    const excess = difference - (atol + rtol * Math.abs(Number(b)));
    // Differences from NaN and infinity are not finite, and never within a tolerance.
    if (Number.isFinite(difference) && excess <= 0 && typeof a === typeof b) continue;
    off++;
    const rank = Number.isFinite(excess) ? excess : Number.POSITIVE_INFINITY;
    if (worst < 0 || rank > worstExcess) {
      worst = i;
      worstExcess = rank;
    }
  }
  if (worst < 0) return;
  const a = actual.data[worst]!;
  const b = expected.data[worst]!;
  throw new Error(
    `${name}: ${off} of ${expected.data.length} elements are off; at [${position(worst, expected.dims)}] it is ${a} instead of ${b}, a difference of ${Math.abs(Number(a) - Number(b)).toPrecision(3)} where ${(atol + rtol * Math.abs(Number(b))).toPrecision(3)} is allowed`,
  );
}

/** The indices of the element with a flat index. */
function position(index: number, dims: readonly number[]): string {
  const indices: number[] = [];
  let rest = index;
  for (const dim of dims.toReversed()) {
    indices.unshift(rest % dim);
    rest = Math.floor(rest / dim);
  }
  return indices.join(', ');
}
