// NumPy's RandomState: MT19937, Marsaglia and Bray's (1964) polar normals, integers by masked rejection.
import { maskedInteger, shuffledIntegers } from './masked-rejection.ts';
import { Mt19937 } from './mt19937.ts';
import { type DrawDType, type RandomSource, roundTo } from './random-source.ts';

/**
 * The random numbers of `numpy.random.RandomState(seed)` for `standard_normal`, `random_sample`, `randint` and
 * `permutation`. They are drawn in float64 and rounded to the type that is asked for, as by NumPy's `astype`.
 */
export class NumpyRandomState implements RandomSource {
  readonly #words: Mt19937;
  /** The second normal of a pair. */
  #spareNormal: number | undefined;

  constructor(seed: bigint) {
    this.#words = new Mt19937(Number(seed));
  }

  normal(size: number, dtype: DrawDType): Float64Array {
    const values = new Float64Array(size);
    for (let i = 0; i < size; i++) values[i] = this.#nextNormal();
    return roundTo(dtype, values);
  }

  uniform(size: number, dtype: DrawDType): Float64Array {
    const values = new Float64Array(size);
    for (let i = 0; i < size; i++) values[i] = this.#nextDouble();
    return roundTo(dtype, values);
  }

  integers(low: bigint, high: bigint, size: number): BigInt64Array {
    const values = new BigInt64Array(size);
    for (let i = 0; i < size; i++) values[i] = low + maskedInteger(this.#words, high - low - 1n);
    return values;
  }

  permutation(size: number): BigInt64Array {
    return shuffledIntegers(this.#words, size);
  }

  #nextDouble(): number {
    const high = this.#words.nextUint32() >>> 5;
    return (high * 2 ** 26 + (this.#words.nextUint32() >>> 6)) * 2 ** -53;
  }

  #nextNormal(): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return spare;
    }
    let x: number;
    let y: number;
    let square: number;
    do {
      x = 2 * this.#nextDouble() - 1;
      y = 2 * this.#nextDouble() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.#spareNormal = factor * x;
    return factor * y;
  }
}
