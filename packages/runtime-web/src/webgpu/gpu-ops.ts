// TensorOps as kernels on a graphics card. Weights and other numbers are rounded to float32, and so is every sum.
import {
  assertSameDims,
  type InterpolationMode,
  joinedDims,
  resizing,
  type SumMemory,
  sizeOf,
  type Taps,
  type Tensor,
  type TensorOps,
  type Term,
  tensor,
} from '@emulsion/tensor';
import {
  affineKernel,
  clampKernel,
  expKernel,
  groupsFor,
  interpolateKernel,
  mostTerms,
  multiplyKernel,
  pasteKernel,
  sliceKernel,
  sqrtKernel,
  sumKernels,
  tapsOfPlace,
} from './element-kernels.ts';
import { bufferOf, type GpuMemory } from './gpu-memory.ts';
import { GpuTensor } from './gpu-tensor.ts';
import type { Kernel, KernelRunner } from './kernel.ts';
import {
  dynamicThresholdKernel,
  matchStandardDeviationKernel,
  scaleByNormsKernel,
} from './sample-kernels.ts';

type Terms = readonly [Term, ...Term[]];

/** Operations whose results lie in `memory`. */
export function gpuOps(memory: GpuMemory, kernels: KernelRunner): TensorOps {
  /** Runs a kernel into a tensor. */
  function write<Parameter extends string>(
    out: GpuTensor,
    kernel: Kernel<Parameter>,
    inputs: readonly Tensor[],
    parameters: Readonly<Record<Parameter, number>>,
    groups: number,
  ): GpuTensor {
    memory.withBuffers(inputs, (buffers) =>
      kernels.run(kernel, { parameters, inputs: buffers, output: bufferOf(out), groups }),
    );
    return out;
  }

  /** Runs a kernel for each element of a new tensor. */
  function each<Parameter extends string>(
    dims: readonly number[],
    kernel: Kernel<Parameter | 'length'>,
    inputs: readonly Tensor[],
    parameters: Readonly<Record<Exclude<Parameter, 'length'>, number>>,
  ): GpuTensor {
    const length = sizeOf(dims);
    // The parameters and the length are all that the kernel has.
    const all = { ...parameters, length } as Readonly<Record<Parameter | 'length', number>>;
    return write(memory.allocate(dims), kernel, inputs, all, groupsFor(length));
  }

  /** Runs a kernel with a group for each sample. */
  function eachSample<Parameter extends string>(
    x: Tensor,
    kernel: Kernel<Parameter>,
    inputs: readonly Tensor[],
    parameters: Readonly<Record<Parameter, number>>,
  ): GpuTensor {
    return write(memory.allocate(x.dims), kernel, inputs, parameters, x.dims[0] ?? 1);
  }

  /** The sum in `out`, which is none of the terms. */
  function sumInto(out: GpuTensor, terms: readonly Term[]): GpuTensor {
    if (terms.length > mostTerms) {
      const rest = sumInto(memory.allocate(out.dims), terms.slice(mostTerms - 1));
      sumInto(out, [...terms.slice(0, mostTerms - 1), [1, rest]]);
      memory.release(rest);
      return out;
    }
    const weights = Object.fromEntries(terms.map(([weight], k) => [`w${k}`, weight]));
    const inputs = terms.map(([, x]) => x);
    const length = sizeOf(out.dims);
    return write(out, sumKernels[terms.length - 1]!, inputs, { ...weights, length }, groupsFor(length));
  }

  function combine(...terms: Terms): Tensor {
    const [[, first], ...rest] = terms;
    assertSameDims('combine', first, ...rest.map(([, x]) => x));
    return sumInto(memory.allocate(first.dims), terms);
  }

  function combineInto(out: Tensor, ...terms: Terms): Tensor {
    const [[, first]] = terms;
    assertSameDims('combineInto', first, out);
    if (out instanceof GpuTensor && out.place instanceof GPUBuffer && !terms.some(([, x]) => x === out)) {
      assertSameDims('combine', first, ...terms.map(([, x]) => x));
      return sumInto(out, terms);
    }
    // A kernel cannot write what it reads.
    const sum = combine(...terms);
    memory.release(out);
    return sum;
  }

  function combineAndScale(factor: number, out: SumMemory, ...terms: Terms): readonly [Tensor, Tensor] {
    const sum = out.sum ? combineInto(out.sum, ...terms) : combine(...terms);
    return [sum, out.product ? combineInto(out.product, [factor, sum]) : combine([factor, sum])];
  }

  function multiply(a: Tensor, b: Tensor): Tensor {
    assertSameDims('multiply', a, b);
    return each(a.dims, multiplyKernel, [a, b], {});
  }

  function dynamicThreshold(x: Tensor, ratio: number, maxValue: number): Tensor {
    const length = sampleLength(x);
    const position = ratio * (length - 1);
    const below = Math.floor(position);
    return eachSample(x, dynamicThresholdKernel, [x], {
      length,
      below,
      fraction: position - below,
      maxValue,
    });
  }

  function matchStandardDeviation(x: Tensor, reference: Tensor): Tensor {
    assertSameDims('matchStandardDeviation', x, reference);
    return eachSample(x, matchStandardDeviationKernel, [x, reference], { length: sampleLength(x) });
  }

  function scaleByNorms(x: Tensor, numerator: Tensor, denominator: Tensor): Tensor {
    const parameters = {
      length: sizeOf(x.dims),
      numeratorBatch: numerator.dims[0] ?? 1,
      numeratorLength: sampleLength(numerator),
      denominatorBatch: denominator.dims[0] ?? 1,
      denominatorLength: sampleLength(denominator),
    };
    return write(memory.allocate(x.dims), scaleByNormsKernel, [x, numerator, denominator], parameters, 1);
  }

  function interpolate(x: Tensor, height: number, width: number, mode: InterpolationMode): Tensor {
    const { rows, columns, dims } = resizing(x.dims, height, width, mode);
    const [fromHeight, fromWidth] = x.dims.slice(-2) as [number, number]; // it was asked for them
    return each(dims, interpolateKernel, [x, tapArray(rows), tapArray(columns)], {
      fromHeight,
      fromWidth,
      height,
      width,
    });
  }

  function concat(tensors: readonly Tensor[], axis = 0): Tensor {
    const dims = joinedDims(tensors, axis);
    const out = memory.allocate(dims);
    const inner = sizeOf(dims.slice(axis + 1));
    const stride = dims[axis]! * inner;
    let start = 0;
    for (const x of tensors) {
      const length = sizeOf(x.dims);
      const width = x.dims[axis]! * inner;
      if (length > 0) write(out, pasteKernel, [x], { width, stride, start, length }, groupsFor(length));
      start += width;
    }
    return out;
  }

  function slice(x: Tensor, start: number, end: number, axis = 0): Tensor {
    const inner = sizeOf(x.dims.slice(axis + 1));
    return each(
      x.dims.map((dim, i) => (i === axis ? end - start : dim)),
      sliceKernel,
      [x],
      { width: (end - start) * inner, stride: x.dims[axis]! * inner, start: start * inner },
    );
  }

  return {
    combine,
    combineInto,
    combineAndScale,
    affine: (x, scale, shift) => each(x.dims, affineKernel, [x], { scale, shift }),
    multiply,
    exp: (x) => each(x.dims, expKernel, [x], {}),
    sqrt: (x) => each(x.dims, sqrtKernel, [x], {}),
    clamp: (x, low, high) => each(x.dims, clampKernel, [x], { low, high }),
    dynamicThreshold,
    matchStandardDeviation,
    scaleByNorms,
    interpolate,
    concat,
    slice,
  };
}

/** Elements of a sample of the batch. */
const sampleLength = ({ dims }: Tensor): number => sizeOf(dims) / (dims[0] ?? 1);

/** The taps of an axis as the kernel reads them. */
function tapArray(places: readonly Taps[]): Tensor {
  const array = new Float32Array(2 * tapsOfPlace * places.length);
  for (const [place, taps] of places.entries()) {
    for (const [k, [index, weight]] of taps.entries()) {
      array[2 * tapsOfPlace * place + k] = index;
      array[2 * tapsOfPlace * place + tapsOfPlace + k] = weight;
    }
  }
  return tensor(array, [array.length]);
}
