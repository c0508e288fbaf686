// TensorOps as loops over typed arrays.
import { assertSameDims } from './assert-same-dims.ts';
import { interpolate } from './interpolate.ts';
import { joinedDims } from './joined-dims.ts';
import { sizeOf, type Tensor, tensor } from './tensor.ts';
import type { SumMemory, TensorOps, Term } from './tensor-ops.ts';
import { weightedSum } from './weighted-sum.ts';

function assertSameTerms(terms: readonly [Term, ...Term[]]): void {
  const [[, first], ...rest] = terms;
  assertSameDims('combine', first, ...rest.map(([, x]) => x));
}

function combine(...terms: readonly [Term, ...Term[]]): Tensor {
  assertSameTerms(terms);
  const [[, { dims, data }]] = terms;
  const out = new Float32Array(data.length);
  weightedSum(out, terms);
  return tensor(out, dims);
}

function combineInto(out: Tensor, ...terms: readonly [Term, ...Term[]]): Tensor {
  assertSameTerms(terms);
  assertSameDims('combineInto', terms[0][1], out);
  weightedSum(out.data, terms);
  return out;
}

function combineAndScale(
  factor: number,
  out: SumMemory,
  ...terms: readonly [Term, ...Term[]]
): readonly [Tensor, Tensor] {
  assertSameTerms(terms);
  const [[, first]] = terms;
  const memory = (given: Tensor | undefined) => {
    if (given) assertSameDims('combineAndScale', first, given);
    return given ?? tensor(new Float32Array(first.data.length), first.dims);
  };
  const [sum, product] = [memory(out.sum), memory(out.product)];
  weightedSum(sum.data, terms, { factor, out: product.data });
  return [sum, product];
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

function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const dims = joinedDims(tensors, axis);
  const outer = sizeOf(dims.slice(0, axis));
  const joined = new Float32Array(sizeOf(dims));
  let offset = 0;
  for (let i = 0; i < outer; i++) {
    for (const { data } of tensors) {
      const length = data.length / outer;
      joined.set(data.subarray(i * length, (i + 1) * length), offset);
      offset += length;
    }
  }
  return tensor(joined, dims);
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
  combineInto,
  combineAndScale,
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
