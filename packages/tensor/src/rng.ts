// Random numbers that equal those of other programs: the public door to the generators.
import { InvalidArgumentError } from './errors.ts';
import { NumpyGenerator } from './numpy-generator.ts';
import { NumpyRandomState } from './numpy-random-state.ts';
import { type DrawDType, drawDtypes, type RandomSource } from './random-source.ts';
import { sizeOf, type Tensor, tensor } from './tensor.ts';
import { TorchCpuRng } from './torch-cpu-rng.ts';
import { TorchCudaRng } from './torch-cuda-rng.ts';

/**
 * Generators whose numbers can be had:
 * - `torch-cpu`: PyTorch's on the CPU, bit for bit (float64 normals to the last digit or two)
 * - `torch-cuda`: PyTorch's on a GPU, normals to about 3e-7, as A1111's "NV" source
 * - `numpy`: NumPy's `RandomState`
 * - `numpy-pcg64`: NumPy's `default_rng`
 */
export const rngKinds = ['torch-cpu', 'torch-cuda', 'numpy', 'numpy-pcg64'] as const;
export type RngKind = (typeof rngKinds)[number];

export interface RngOptions {
  /** The generator to equal. */
  kind: RngKind;
  /**
   * An integer, 0 included; a bigint where a number is not exact. Torch takes negative ones too (as two's complement)
   * and 64 bits, of which its CPU uses the low 32; `numpy` takes 32 bits, `numpy-pcg64` 128.
   */
  seed: number | bigint;
}

/** The tensor of a draw: float64 when asked for, else float32, which holds the values of float16 and bfloat16 too. */
export type Drawn<D extends DrawDType> = Tensor<D extends 'float64' ? 'float64' : 'float32'>;

/** A stream of random numbers; each call goes on where the one before ended. */
export interface Rng {
  /**
   * Normal draws of mean 0 and variance 1, as torch's `randn`.
   * @param dims dimensions of the result
   * @param dtype type that the draws are made in and rounded to, float32 by default; it can change the draws
   * themselves, not only their last digits
   */
  normal<D extends DrawDType = 'float32'>(dims: readonly number[], dtype?: D): Drawn<D>;
  /**
   * Uniform draws from [0, 1), as torch's `rand`. NumPy's are made in float64: rounding one to another type can give 1.
   */
  uniform<D extends DrawDType = 'float32'>(dims: readonly number[], dtype?: D): Drawn<D>;
  /**
   * Integers from [low, high), as torch's `randint`.
   * @throws {InvalidArgumentError} unless low and high are 64-bit integers and low < high
   */
  integers(low: number | bigint, high: number | bigint, dims: readonly number[]): Tensor<'int64'>;
  /**
   * The integers 0 to size - 1 in random order, `[size]`, as torch's `randperm`.
   * @throws {InvalidArgumentError} if the kind is `torch-cuda`
   */
  permutation(size: number): Tensor<'int64'>;
}

const sources: { readonly [K in RngKind]: (seed: bigint) => RandomSource } = {
  'torch-cpu': (seed) => new TorchCpuRng(seed),
  'torch-cuda': (seed) => new TorchCudaRng(seed),
  numpy: (seed) => new NumpyRandomState(seed),
  'numpy-pcg64': (seed) => new NumpyGenerator(seed),
};

/** The seeds that each kind takes, as the original does; both ends included. */
const seedRanges: { readonly [K in RngKind]: readonly [lowest: bigint, highest: bigint] } = {
  'torch-cpu': [-(2n ** 63n), 2n ** 64n - 1n],
  'torch-cuda': [-(2n ** 63n), 2n ** 64n - 1n],
  numpy: [0n, 2n ** 32n - 1n],
  'numpy-pcg64': [0n, 2n ** 128n - 1n],
};

function toInteger(name: string, value: number | bigint): bigint {
  if (typeof value === 'bigint') return value;
  if (!Number.isSafeInteger(value)) {
    throw new InvalidArgumentError(
      `${name} is ${value}, which is not an exact integer. Give an integer, as a bigint above 2^53.`,
    );
  }
  return BigInt(value);
}

function toSeed(kind: RngKind, value: number | bigint): bigint {
  const seed = toInteger('createRng: seed', value);
  const [lowest, highest] = seedRanges[kind];
  if (seed < lowest || seed > highest) {
    throw new InvalidArgumentError(
      `createRng: seed is ${seed}, "${kind}" takes ${lowest} to ${highest}. Give a seed in that range.`,
    );
  }
  return seed;
}

function assertDims(dims: readonly number[]): void {
  if (dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
    throw new InvalidArgumentError(
      `rng: dims are [${dims.join(', ')}]. Give integers that are not negative.`,
    );
  }
}

function assertDtype(dtype: DrawDType): void {
  if (!drawDtypes.includes(dtype)) {
    throw new InvalidArgumentError(`rng: dtype is "${dtype}". Give one of ${drawDtypes.join(', ')}.`);
  }
}

function draw<D extends DrawDType>(
  values: (size: number, dtype: DrawDType) => Float64Array,
  dims: readonly number[],
  dtype: D,
): Drawn<D> {
  assertDims(dims);
  assertDtype(dtype);
  const drawn = values(sizeOf(dims), dtype);
  // The condition is the one that Drawn makes on the type.
  return (dtype === 'float64' ? tensor(drawn, dims) : tensor(Float32Array.from(drawn), dims)) as Drawn<D>;
}

/**
 * A generator of random numbers that equal another program's.
 * @throws {InvalidArgumentError} if `kind` is unknown, or `seed` is no integer or out of the kind's range
 */
export function createRng({ kind, seed }: RngOptions): Rng {
  if (!rngKinds.includes(kind)) {
    throw new InvalidArgumentError(`createRng: kind is "${kind}". Give one of ${rngKinds.join(', ')}.`);
  }
  const source = sources[kind](toSeed(kind, seed));
  return {
    // A type parameter's default is the default of its argument.
    normal: <D extends DrawDType = 'float32'>(dims: readonly number[], dtype = 'float32' as D) =>
      draw((size, type) => source.normal(size, type), dims, dtype),
    uniform: <D extends DrawDType = 'float32'>(dims: readonly number[], dtype = 'float32' as D) =>
      draw((size, type) => source.uniform(size, type), dims, dtype),
    integers(low, high, dims) {
      const [first, end] = [toInteger('rng.integers: low', low), toInteger('rng.integers: high', high)];
      if (first >= end || first < -(2n ** 63n) || end > 2n ** 63n) {
        throw new InvalidArgumentError(
          `rng.integers: the range ${first} to ${end} holds no 64-bit integers. Give low < high, both within 64 bits.`,
        );
      }
      assertDims(dims);
      return tensor(source.integers(first, end, sizeOf(dims)), dims);
    },
    permutation(size) {
      assertDims([size]);
      return tensor(source.permutation(size), [size]);
    },
  };
}
