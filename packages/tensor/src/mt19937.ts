// The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded as by init_genrand of its 2002 revision.

const stateLength = 624;
const shift = 397;

/** An endless stream of uniform 32-bit words: the source of torch's CPU generator and of NumPy's RandomState. */
export class Mt19937 {
  readonly #state = new Uint32Array(stateLength);
  #position = stateLength;

  /** @param seed only its low 32 bits count */
  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let j = 1; j < stateLength; j++) {
      const previous = state[j - 1]!;
      state[j] = Math.imul(1812433253, previous ^ (previous >>> 30)) + j;
    }
  }

  /** The next word, an integer in [0, 2³²). */
  nextUint32(): number {
    if (this.#position === stateLength) this.#twist();
    let word = this.#state[this.#position++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }

  /** Two words as one integer in [0, 2⁶⁴), the first the high one. */
  nextUint64(): bigint {
    const high = BigInt(this.nextUint32());
    return (high << 32n) | BigInt(this.nextUint32());
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < stateLength; i++) {
      const joined = (state[i]! & 0x80000000) | (state[(i + 1) % stateLength]! & 0x7fffffff);
      state[i] = state[(i + shift) % stateLength]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.#position = 0;
  }
}
