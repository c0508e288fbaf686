// NumPy's integers without bias: random bits, as many as the largest integer has, until they make one small enough.

/** A stream of uniform words. */
export interface RandomWords {
  /** An integer in [0, 2³²). */
  nextUint32(): number;
  /** An integer in [0, 2⁶⁴). */
  nextUint64(): bigint;
}

/** An integer from [0, most]. */
export function maskedInteger(words: RandomWords, most: bigint): bigint {
  if (most === 0n) return 0n;
  const mask = (1n << BigInt(most.toString(2).length)) - 1n;
  for (;;) {
    const value = mask & (most < 2n ** 32n ? BigInt(words.nextUint32()) : words.nextUint64());
    if (value <= most) return value;
  }
}

/** The integers 0 to size - 1 in random order, shuffled from the end (Fisher and Yates, Durstenfeld 1964). */
export function shuffledIntegers(words: RandomWords, size: number): BigInt64Array {
  const order = BigInt64Array.from({ length: size }, (_, i) => BigInt(i));
  for (let i = size - 1; i > 0; i--) {
    const other = Number(maskedInteger(words, BigInt(i)));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}
