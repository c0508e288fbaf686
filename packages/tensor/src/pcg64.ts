// PCG64: a 128-bit linear congruential generator with a xor-shift and rotation on the way out (O'Neill 2014, XSL RR).
import { seedSequence } from './seed-sequence.ts';

const multiplier = 0x2360ed051fc65da44385df649fccf645n;

/** An endless stream of uniform 64-bit words, seeded as NumPy's `PCG64(seed)`. */
export class Pcg64 {
  #state: bigint;
  readonly #increment: bigint;
  /** The upper half of a word whose lower half was given away. */
  #spareUint32: number | undefined;

  /** @param seed an integer that is not negative */
  constructor(seed: bigint) {
    const words = seedSequence(seed, 8);
    // 64-bit words from pairs of 32 bits, low first; 128-bit numbers from pairs of 64 bits, high first.
    const word64 = (i: number) => (BigInt(words[2 * i + 1]!) << 32n) | BigInt(words[2 * i]!);
    const start = (word64(0) << 64n) | word64(1);
    const sequence = (word64(2) << 64n) | word64(3);
    this.#increment = BigInt.asUintN(128, (sequence << 1n) | 1n);
    this.#state = this.#next(this.#increment + start);
  }

  /** The next word, an integer in [0, 2⁶⁴). */
  nextUint64(): bigint {
    this.#state = this.#next(this.#state);
    const folded = BigInt.asUintN(64, this.#state ^ (this.#state >> 64n));
    const turn = this.#state >> 122n;
    return BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
  }

  /** The lower half of the next word, and the upper half when called again. */
  nextUint32(): number {
    const spare = this.#spareUint32;
    if (spare !== undefined) {
      this.#spareUint32 = undefined;
      return spare;
    }
    const word = this.nextUint64();
    this.#spareUint32 = Number(word >> 32n);
    return Number(BigInt.asUintN(32, word));
  }

  #next(state: bigint): bigint {
    return BigInt.asUintN(128, state * multiplier + this.#increment);
  }
}
