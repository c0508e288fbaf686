// torch's CPU generator: MT19937, Box and Muller's (1958) normals, and how torch spends the words on each kind of draw.
import { cosFloat32, logFloat32, sinFloat32 } from './cephes-float32.ts';
import { Mt19937 } from './mt19937.ts';
import { type DrawDType, type RandomSource, roundTo } from './random-source.ts';

const blockLength = 16;
/** From this range on, torch spends two words on an integer. */
const wideRange = 2n ** 28n;

/**
 * The random numbers of `torch.Generator('cpu').manual_seed(seed)` for `randn`, `rand`, `randint` and `randperm`.
 * Integers, uniforms and draws of fewer than 16 normals equal torch's bit for bit.
 */
export class TorchCpuRng implements RandomSource {
  readonly #words: Mt19937;
  /** The second normal of a pair. It outlives calls of other kinds, types and sizes until a small draw takes it. */
  #spareNormal: number | undefined;

  constructor(seed: bigint) {
    this.#words = new Mt19937(Number(BigInt.asUintN(32, seed)));
  }

  normal(size: number, dtype: DrawDType): Float64Array {
    const values = new Float64Array(size);
    if (size < blockLength) {
      for (let i = 0; i < size; i++) values[i] = this.#nextNormal();
    } else {
      this.#fillNormalBlocks(values, dtype);
    }
    return roundTo(dtype, values);
  }

  uniform(size: number, dtype: DrawDType): Float64Array {
    const values = new Float64Array(size);
    this.#fillUniform(values, dtype);
    roundTo(dtype, values);
    // The narrow types round the largest draws up to 1, which is outside [0, 1): torch wraps it to 0.
    for (let i = 0; i < size; i++) if (values[i] === 1) values[i] = 0;
    return values;
  }

  integers(low: bigint, high: bigint, size: number): BigInt64Array {
    const range = high - low;
    const values = new BigInt64Array(size);
    for (let i = 0; i < size; i++) {
      const word = range < wideRange ? BigInt(this.#words.nextUint32()) : this.#words.nextUint64();
      values[i] = low + (word % range);
    }
    return values;
  }

  permutation(size: number): BigInt64Array {
    const order = BigInt64Array.from({ length: size }, (_, i) => BigInt(i));
    for (let i = 0; i < size - 1; i++) {
      const other = i + (this.#words.nextUint32() % (size - i));
      [order[i], order[other]] = [order[other]!, order[i]!];
    }
    return order;
  }

  /** A uniform with the 24 bits of a float32. */
  #nextFloat(): number {
    return (this.#words.nextUint32() & 0xffffff) * 2 ** -24;
  }

  /** A uniform with the 53 bits of a float64. */
  #nextDouble(): number {
    const high = this.#words.nextUint32() & 0x1fffff;
    return (high * 2 ** 32 + this.#words.nextUint32()) * 2 ** -53;
  }

  #fillUniform(values: Float64Array, dtype: DrawDType): void {
    const wide = dtype === 'float64';
    for (let i = 0; i < values.length; i++) values[i] = wide ? this.#nextDouble() : this.#nextFloat();
  }

  #nextNormal(): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return spare;
    }
    const angle = 2 * Math.PI * this.#nextDouble();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#nextDouble()));
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  #fillNormalBlocks(values: Float64Array, dtype: DrawDType): void {
    // float32 and float64 draw the uniforms of the tail before they are drawn anew; the narrow types never draw them.
    const drawnAhead = dtype === 'float32' || dtype === 'float64';
    const arithmetic = blockArithmetic[dtype];
    const wholeBlocks = values.length - (values.length % blockLength);
    this.#fillUniform(drawnAhead ? values : values.subarray(0, wholeBlocks), dtype);
    for (let start = 0; start < wholeBlocks; start += blockLength) {
      transformBlock(values.subarray(start, start + blockLength), arithmetic);
    }
    if (wholeBlocks < values.length) {
      const last = values.subarray(values.length - blockLength);
      this.#fillUniform(last, dtype);
      transformBlock(last, arithmetic);
    }
  }
}

/** Turns 16 uniforms into 16 normals in place: uniforms j and j + 8 give the pair j, j + 8. */
function transformBlock(block: Float64Array, { log, sin, cos, round }: BlockArithmetic): void {
  const half = blockLength / 2;
  const fullTurn = round(2 * Math.PI);
  for (let j = 0; j < half; j++) {
    const radius = round(Math.sqrt(round(-2 * log(1 - block[j]!))));
    const angle = round(fullTurn * block[j + half]!);
    block[j] = round(radius * cos(angle));
    block[j + half] = round(radius * sin(angle));
  }
}

interface BlockArithmetic {
  log(x: number): number;
  sin(x: number): number;
  cos(x: number): number;
  round(x: number): number;
}

const float64: BlockArithmetic = { log: Math.log, sin: Math.sin, cos: Math.cos, round: (x) => x };
/** torch's vectorized code, for float32 alone. */
const vectorFloat32: BlockArithmetic = {
  log: logFloat32,
  sin: sinFloat32,
  cos: cosFloat32,
  round: Math.fround,
};
/** The C library's functions, whose results are the nearest float32 with rare exceptions. */
const scalarFloat32: BlockArithmetic = {
  log: (x) => Math.fround(Math.log(x)),
  sin: (x) => Math.fround(Math.sin(x)),
  cos: (x) => Math.fround(Math.cos(x)),
  round: Math.fround,
};

const blockArithmetic: { readonly [D in DrawDType]: BlockArithmetic } = {
  float32: vectorFloat32,
  float64,
  float16: scalarFloat32,
  bfloat16: scalarFloat32,
};
