// NumPy's Generator over PCG64: ziggurat normals, integers by Lemire's (2019) rejection.
import { shuffledIntegers } from './masked-rejection.ts';
import { Pcg64 } from './pcg64.ts';
import { type DrawDType, type RandomSource, roundTo } from './random-source.ts';
import { zigguratNormal } from './ziggurat-normal.ts';

/**
 * The random numbers of `numpy.random.default_rng(seed)` for `standard_normal`, `random`, `integers` and
 * `permutation`. They are drawn in float64 and rounded to the type that is asked for, as by NumPy's `astype`.
 */
export class NumpyGenerator implements RandomSource {
  readonly #words: Pcg64;

  constructor(seed: bigint) {
    this.#words = new Pcg64(seed);
  }

  normal(size: number, dtype: DrawDType): Float64Array {
    const values = new Float64Array(size);
    for (let i = 0; i < size; i++) values[i] = zigguratNormal(this.#words);
    return roundTo(dtype, values);
  }

  uniform(size: number, dtype: DrawDType): Float64Array {
    const values = new Float64Array(size);
    for (let i = 0; i < size; i++) values[i] = Number(this.#words.nextUint64() >> 11n) * 2 ** -53;
    return roundTo(dtype, values);
  }

  integers(low: bigint, high: bigint, size: number): BigInt64Array {
    const values = new BigInt64Array(size);
    for (let i = 0; i < size; i++) values[i] = low + this.#nextBelow(high - low);
    return values;
  }

  permutation(size: number): BigInt64Array {
    return shuffledIntegers(this.#words, size);
  }

  /** An integer from [0, end): the upper half of a word's product with `end`, unless the lower half shows a bias. */
  #nextBelow(end: bigint): bigint {
    if (end === 1n) return 0n;
    const narrow = end <= 2n ** 32n;
    const bits = narrow ? 32 : 64;
    const threshold = 2n ** BigInt(bits) % end;
    for (;;) {
      const product = end * (narrow ? BigInt(this.#words.nextUint32()) : this.#words.nextUint64());
      if (BigInt.asUintN(bits, product) >= threshold) return product >> BigInt(bits);
    }
  }
}
