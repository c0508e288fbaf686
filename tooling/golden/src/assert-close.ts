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
  // An infinite value has no tolerance: what is not equal to it is off.
  const allowed = (b: number | bigint) => {
    const tolerance = atol + rtol * Math.abs(Number(b));
    return Number.isFinite(tolerance) ? tolerance : 0;
  };
  let off = 0;
  let worst = -1;
  let worstExcess = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const a = actual.data[i]!;
    const b = expected.data[i]!;
    if (Object.is(a, b) || a === b) continue;
    const excess = distance(a, b) - allowed(b);
    if (excess <= 0) continue;
    off++;
    if (worst < 0 || excess > worstExcess) {
      worst = i;
      worstExcess = excess;
    }
  }
  if (worst < 0) return;
  const a = actual.data[worst]!;
  const b = expected.data[worst]!;
  throw new Error(
    `${name}: ${off} of ${expected.data.length} elements are off; at [${position(worst, expected.dims)}] it is ${a} instead of ${b}, a difference of ${distance(a, b).toPrecision(3)} where ${allowed(b).toPrecision(3)} is allowed`,
  );
}

/** How far two different numbers are apart: infinitely, if one of them is NaN or infinite. */
function distance(a: number | bigint, b: number | bigint): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return Math.abs(Number(a - b));
  const difference = Math.abs(Number(a) - Number(b));
  return Number.isFinite(difference) ? difference : Number.POSITIVE_INFINITY;
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
