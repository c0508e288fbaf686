// Weighted sums of float32 arrays in float64: the loops that samplers spend their time in.
import type { Term } from './tensor-ops.ts';

/** How many elements the loops compute in a turn: a turn's own work takes as long as an element's. */
const unrolled = 4;

function sumOfOne(out: Float32Array, terms: readonly [Term]): void {
  const [[wA, { data: a }]] = terms;
  let i = 0;
  for (; i + unrolled <= out.length; i += unrolled) {
    out[i] = wA * a[i]!;
    out[i + 1] = wA * a[i + 1]!;
    out[i + 2] = wA * a[i + 2]!;
    out[i + 3] = wA * a[i + 3]!;
  }
  for (; i < out.length; i++) out[i] = wA * a[i]!;
}

function sumOfTwo(out: Float32Array, terms: readonly [Term, Term]): void {
  const [[wA, { data: a }], [wB, { data: b }]] = terms;
  let i = 0;
  for (; i + unrolled <= out.length; i += unrolled) {
    out[i] = wA * a[i]! + wB * b[i]!;
    out[i + 1] = wA * a[i + 1]! + wB * b[i + 1]!;
    out[i + 2] = wA * a[i + 2]! + wB * b[i + 2]!;
    out[i + 3] = wA * a[i + 3]! + wB * b[i + 3]!;
  }
  for (; i < out.length; i++) out[i] = wA * a[i]! + wB * b[i]!;
}

function sumOfThree(out: Float32Array, terms: readonly [Term, Term, Term]): void {
  const [[wA, { data: a }], [wB, { data: b }], [wC, { data: c }]] = terms;
  let i = 0;
  for (; i + unrolled <= out.length; i += unrolled) {
    out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]!;
    out[i + 1] = wA * a[i + 1]! + wB * b[i + 1]! + wC * c[i + 1]!;
    out[i + 2] = wA * a[i + 2]! + wB * b[i + 2]! + wC * c[i + 2]!;
    out[i + 3] = wA * a[i + 3]! + wB * b[i + 3]! + wC * c[i + 3]!;
  }
  for (; i < out.length; i++) out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]!;
}

function sumOfFour(out: Float32Array, terms: readonly [Term, Term, Term, Term]): void {
  const [[wA, { data: a }], [wB, { data: b }], [wC, { data: c }], [wD, { data: d }]] = terms;
  let i = 0;
  for (; i + unrolled <= out.length; i += unrolled) {
    out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]! + wD * d[i]!;
    out[i + 1] = wA * a[i + 1]! + wB * b[i + 1]! + wC * c[i + 1]! + wD * d[i + 1]!;
    out[i + 2] = wA * a[i + 2]! + wB * b[i + 2]! + wC * c[i + 2]! + wD * d[i + 2]!;
    out[i + 3] = wA * a[i + 3]! + wB * b[i + 3]! + wC * c[i + 3]! + wD * d[i + 3]!;
  }
  for (; i < out.length; i++) out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]! + wD * d[i]!;
}

function sumOfFive(out: Float32Array, terms: readonly [Term, Term, Term, Term, Term]): void {
  const [[wA, { data: a }], [wB, { data: b }], [wC, { data: c }], [wD, { data: d }], [wE, { data: e }]] =
    terms;
  let i = 0;
  for (; i + unrolled <= out.length; i += unrolled) {
    out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]! + wD * d[i]! + wE * e[i]!;
    out[i + 1] = wA * a[i + 1]! + wB * b[i + 1]! + wC * c[i + 1]! + wD * d[i + 1]! + wE * e[i + 1]!;
    out[i + 2] = wA * a[i + 2]! + wB * b[i + 2]! + wC * c[i + 2]! + wD * d[i + 2]! + wE * e[i + 2]!;
    out[i + 3] = wA * a[i + 3]! + wB * b[i + 3]! + wC * c[i + 3]! + wD * d[i + 3]! + wE * e[i + 3]!;
  }
  for (; i < out.length; i++) out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]! + wD * d[i]! + wE * e[i]!;
}

function sumOfSix(out: Float32Array, terms: readonly [Term, Term, Term, Term, Term, Term]): void {
  const [
    [wA, { data: a }],
    [wB, { data: b }],
    [wC, { data: c }],
    [wD, { data: d }],
    [wE, { data: e }],
    [wF, { data: f }],
  ] = terms;
  let i = 0;
  for (; i + unrolled <= out.length; i += unrolled) {
    out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]! + wD * d[i]! + wE * e[i]! + wF * f[i]!;
    out[i + 1] =
      wA * a[i + 1]! + wB * b[i + 1]! + wC * c[i + 1]! + wD * d[i + 1]! + wE * e[i + 1]! + wF * f[i + 1]!;
    out[i + 2] =
      wA * a[i + 2]! + wB * b[i + 2]! + wC * c[i + 2]! + wD * d[i + 2]! + wE * e[i + 2]! + wF * f[i + 2]!;
    out[i + 3] =
      wA * a[i + 3]! + wB * b[i + 3]! + wC * c[i + 3]! + wD * d[i + 3]! + wE * e[i + 3]! + wF * f[i + 3]!;
  }
  for (; i < out.length; i++)
    out[i] = wA * a[i]! + wB * b[i]! + wC * c[i]! + wD * d[i]! + wE * e[i]! + wF * f[i]!;
}

/** Elements that are summed in float64 at a time; their sums stay in the fastest cache. */
const blockLength = 1024;
const block = new Float64Array(blockLength);

/** A block of elements after another. */
function sumOfMany(out: Float32Array, terms: readonly Term[]): void {
  for (let start = 0; start < out.length; start += blockLength) {
    const length = Math.min(blockLength, out.length - start);
    block.fill(0, 0, length);
    for (const [weight, { data }] of terms) {
      for (let i = 0; i < length; i++) block[i]! += weight * data[start + i]!;
    }
    for (let i = 0; i < length; i++) out[start + i] = block[i]!;
  }
}

/** Writes `Σ weight · tensor` into `out`, which may be one of the terms. */
export function weightedSum(out: Float32Array, terms: readonly [Term, ...Term[]]): void {
  const [a, b, c, d, e, f, ...more] = terms;
  // Up to six terms are nearly all the work of a sampler: their loops keep the sum in a register.
  if (!b) sumOfOne(out, [a]);
  else if (!c) sumOfTwo(out, [a, b]);
  else if (!d) sumOfThree(out, [a, b, c]);
  else if (!e) sumOfFour(out, [a, b, c, d]);
  else if (!f) sumOfFive(out, [a, b, c, d, e]);
  else if (more.length === 0) sumOfSix(out, [a, b, c, d, e, f]);
  else sumOfMany(out, terms);
}
