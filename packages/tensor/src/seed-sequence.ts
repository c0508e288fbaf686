// NumPy's SeedSequence: an integer of any size hashed to the words that start a generator (after O'Neill's seed_seq_fe).

const poolSize = 4;

/** A hash of 32-bit words whose constant moves on with each word. */
function createHash(start: number, multiplier: number): (word: number) => number {
  let constant = start;
  return (word) => {
    const mixed = word ^ constant;
    constant = Math.imul(constant, multiplier);
    const product = Math.imul(mixed, constant);
    return (product ^ (product >>> 16)) >>> 0;
  };
}

function mix(x: number, y: number): number {
  const difference = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y);
  return (difference ^ (difference >>> 16)) >>> 0;
}

/**
 * The words that NumPy's `SeedSequence(seed).generate_state(length)` gives.
 * @param seed an integer that is not negative
 */
export function seedSequence(seed: bigint, length: number): Uint32Array {
  const entropy: number[] = [];
  for (let rest = seed; rest > 0n; rest >>= 32n) entropy.push(Number(BigInt.asUintN(32, rest)));

  const hash = createHash(0x43b0d7e5, 0x931e8875);
  const pool = Uint32Array.from({ length: poolSize }, (_, i) => hash(entropy[i] ?? 0));
  for (let from = 0; from < poolSize; from++) {
    for (let to = 0; to < poolSize; to++) if (from !== to) pool[to] = mix(pool[to]!, hash(pool[from]!));
  }
  for (const word of entropy.slice(poolSize)) {
    for (let to = 0; to < poolSize; to++) pool[to] = mix(pool[to]!, hash(word));
  }

  const hashOut = createHash(0x8b51f9dd, 0x58f38ded);
  return Uint32Array.from({ length }, (_, i) => hashOut(pool[i % poolSize]!));
}
