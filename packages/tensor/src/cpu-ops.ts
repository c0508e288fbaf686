// TensorOps as loops over typed arrays.
import { ShapeError } from './errors.ts';
import { interpolate } from './interpolate.ts';
import { sizeOf, type Tensor, tensor } from './tensor.ts';
import type { TensorOps, Term } from './tensor-ops.ts';

function assertSameDims(operation: string, first: Tensor, ...others: Tensor[]): void {
  for (const other of others) {
    if (other.dims.length !== first.dims.length || other.dims.some((dim, axis) => dim !== first.dims[axis])) {
      throw new ShapeError(
        `${operation}: [${other.dims.join(', ')}] does not match [${first.dims.join(', ')}]. Give tensors of equal dims.`,
      );
    }
  }
}

/** How many elements the loops of `combine` compute in a turn: a turn's own work takes as long as an element's. */
const unrolled = 4;

function sumOne(out: Float32Array, terms: readonly [Term]): void {
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

function sumTwo(out: Float32Array, terms: readonly [Term, Term]): void {
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

function sumThree(out: Float32Array, terms: readonly [Term, Term, Term]): void {
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

function sumFour(out: Float32Array, terms: readonly [Term, Term, Term, Term]): void {
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

/** Elements that are summed in float64 at a time; their sums stay in the fastest cache. */
const blockLength = 1024;
const block = new Float64Array(blockLength);

/** The weighted sum of many terms, a block of elements after another, two terms at a time. */
function sumMany(out: Float32Array, terms: readonly Term[]): void {
  for (let start = 0; start < out.length; start += blockLength) {
    const length = Math.min(blockLength, out.length - start);
    block.fill(0, 0, length);
    for (let k = 0; k + 1 < terms.length; k += 2) {
      const [[wA, { data: a }], [wB, { data: b }]] = [terms[k]!, terms[k + 1]!];
      for (let i = 0; i < length; i++) block[i]! += wA * a[start + i]! + wB * b[start + i]!;
    }
    if (terms.length % 2 === 1) {
      const [weight, { data }] = terms.at(-1)!;
      for (let i = 0; i < length; i++) block[i]! += weight * data[start + i]!;
    }
    for (let i = 0; i < length; i++) out[start + i] = block[i]!;
  }
}

function combine(...terms: readonly [Term, ...Term[]]): Tensor {
  const [[, first], ...rest] = terms;
  assertSameDims('combine', first, ...rest.map(([, x]) => x));
  const out = new Float32Array(first.data.length);
  const [a, b, c, d] = terms;
  // One to four terms are nearly all the work of a sampler: their loops keep the sum in a register.
  if (!b) sumOne(out, [a]);
  else if (!c) sumTwo(out, [a, b]);
  else if (!d) sumThree(out, [a, b, c]);
  else if (terms.length === 4) sumFour(out, [a, b, c, d]);
  else sumMany(out, terms);
  return tensor(out, first.dims);
}

function affine(x: Tensor, scale: number, shift: number): Tensor {
  return tensor(
    x.data.map((value) => scale * value + shift),
    x.dims,
  );
}

function multiply(a: Tensor, b: Tensor): Tensor {
  assertSameDims('multiply', a, b);
  return tensor(
    a.data.map((value, i) => value * b.data[i]!),
    a.dims,
  );
}

function clamp(x: Tensor, low: number, high: number): Tensor {
  return tensor(
    x.data.map((value) => Math.min(Math.max(value, low), high)),
    x.dims,
  );
}

/** Quantile with linear interpolation between the two neighbours, as torch.quantile. */
function quantile(values: Float32Array, ratio: number): number {
  const sorted = values.toSorted();
  const position = ratio * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** Applies `change` to the elements of each sample of the batch; what it returns takes their place. */
function mapSamples(x: Tensor, change: (sample: Float32Array, index: number) => Float32Array): Tensor {
  const batch = x.dims[0] ?? 1;
  const length = x.data.length / batch;
  const result = new Float32Array(x.data.length);
  for (let i = 0; i < batch; i++) {
    result.set(change(x.data.subarray(i * length, (i + 1) * length), i), i * length);
  }
  return tensor(result, x.dims);
}

function dynamicThreshold(x: Tensor, ratio: number, maxValue: number): Tensor {
  return mapSamples(x, (sample) => {
    const s = Math.min(Math.max(quantile(sample.map(Math.abs), ratio), 1), maxValue);
    return sample.map((value) => Math.min(Math.max(value, -s), s) / s);
  });
}

function standardDeviation(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

function matchStandardDeviation(x: Tensor, reference: Tensor): Tensor {
  assertSameDims('matchStandardDeviation', x, reference);
  return mapSamples(x, (sample, index) => {
    const start = index * sample.length;
    const wanted = standardDeviation(reference.data.subarray(start, start + sample.length));
    const factor = wanted / standardDeviation(sample);
    return sample.map((value) => value * factor);
  });
}

function exp(x: Tensor): Tensor {
  return tensor(x.data.map(Math.exp), x.dims);
}

function sqrt(x: Tensor): Tensor {
  return tensor(x.data.map(Math.sqrt), x.dims);
}

/** The mean over the batch of the samples' lengths. */
function meanNorm({ data, dims }: Tensor): number {
  const batch = dims[0] ?? 1;
  const length = data.length / batch;
  let sum = 0;
  for (let i = 0; i < batch; i++) {
    let squares = 0;
    for (let j = i * length; j < (i + 1) * length; j++) squares += data[j]! * data[j]!;
    sum += Math.sqrt(squares);
  }
  return sum / batch;
}

function scaleByNorms(x: Tensor, numerator: Tensor, denominator: Tensor): Tensor {
  return combine([meanNorm(numerator) / meanNorm(denominator), x]);
}

function concat(tensors: readonly Tensor[]): Tensor {
  const first = tensors[0];
  if (!first) throw new ShapeError('concat: no tensors were given. Give at least one.');
  const [, ...sampleDims] = first.dims;
  for (const { dims } of tensors) {
    if (dims.length !== first.dims.length || sampleDims.some((dim, axis) => dim !== dims[axis + 1])) {
      throw new ShapeError(
        `concat: [${dims.join(', ')}] does not continue [${first.dims.join(', ')}]. Give tensors that differ in the batch only.`,
      );
    }
  }
  const batch = tensors.reduce((sum, { dims }) => sum + (dims[0] ?? 1), 0);
  const joined = new Float32Array(batch * sizeOf(sampleDims));
  let offset = 0;
  for (const { data } of tensors) {
    joined.set(data, offset);
    offset += data.length;
  }
  return tensor(joined, [batch, ...sampleDims]);
}

function slice(x: Tensor, start: number, end: number, axis = 0): Tensor {
  const dims = x.dims.map((dim, i) => (i === axis ? end - start : dim));
  const outer = sizeOf(x.dims.slice(0, axis));
  const inner = sizeOf(x.dims.slice(axis + 1));
  const [taken, stride] = [(end - start) * inner, x.dims[axis]! * inner];
  const part = new Float32Array(outer * taken);
  for (let i = 0; i < outer; i++) {
    const from = i * stride + start * inner;
    part.set(x.data.subarray(from, from + taken), i * taken);
  }
  return tensor(part, dims);
}

/** Tensor operations on the CPU. */
export const cpuOps: TensorOps = {
  combine,
  affine,
  multiply,
  exp,
  sqrt,
  clamp,
  dynamicThreshold,
  matchStandardDeviation,
  scaleByNorms,
  interpolate,
  concat,
  slice,
};
