// torch's CUDA generator: Philox, and curand's uniforms and Box-Muller normals, one counter an element.
import { InvalidArgumentError } from './errors.ts';
import { philox4x32, type Words4 } from './philox.ts';
import { type DrawDType, type RandomSource, roundTo } from './random-source.ts';

/** From this range on, torch spends two words on an integer. */
const wideRange = 2n ** 28n;

const turnUnit = Math.fround(2 ** -32 * 6.2831855);

/** Two words as one integer below 2⁵³, as curand joins them. */
const join53 = (low: number, high: number) => (high >>> 11) * 2 ** 32 + ((low ^ (high << 21)) >>> 0);

/**
 * The random numbers of `torch.Generator('cuda').manual_seed(seed)` for `randn`, `rand` and `randint`, as long as a
 * draw has no more elements than the GPU launches threads (over 10⁵ on any GPU of today); beyond that torch's numbers
 * depend on the GPU. Normals are worked out in float64 as in A1111's "NV" source, so that they differ from a GPU's in
 * the last digits of a float32.
 */
export class TorchCudaRng implements RandomSource {
  readonly #key: readonly [number, number];
  /** Number of draws before this one. */
  #offset = 0;

  constructor(seed: bigint) {
    this.#key = [Number(BigInt.asUintN(32, seed)), Number(BigInt.asUintN(32, seed >> 32n))];
  }

  normal(size: number, dtype: DrawDType): Float64Array {
    const boxMuller = dtype === 'float64' ? boxMullerDouble : boxMullerFloat;
    return roundTo(dtype, Float64Array.from(this.#draw(size), boxMuller));
  }

  uniform(size: number, dtype: DrawDType): Float64Array {
    const uniform = dtype === 'float64' ? uniformDouble : uniformFloat;
    const values = roundTo(dtype, Float64Array.from(this.#draw(size), uniform));
    // curand draws from (0, 1]: torch wraps 1 to 0.
    for (let i = 0; i < size; i++) if (values[i] === 1) values[i] = 0;
    return values;
  }

  integers(low: bigint, high: bigint, size: number): BigInt64Array {
    const range = high - low;
    const wordOf =
      range < wideRange ? ([x]: Words4) => BigInt(x) : ([x, y]: Words4) => (BigInt(x) << 32n) | BigInt(y);
    return BigInt64Array.from(Array.from(this.#draw(size), (words) => low + (wordOf(words) % range)));
  }

  permutation(): never {
    throw new InvalidArgumentError(
      'rng.permutation: "torch-cuda" has none, because a GPU sorts random keys for it. Use "torch-cpu".',
    );
  }

  /** The words of each element of the next draw; a draw of nothing is no draw. */
  #draw(size: number): Words4[] {
    const offset = this.#offset;
    if (size > 0) this.#offset++;
    return Array.from({ length: size }, (_, i) => philox4x32([offset, 0, i, 0], this.#key));
  }
}

function uniformFloat([x]: Words4): number {
  return Math.fround(x * 2 ** -32 + 2 ** -33);
}

function uniformDouble([x, y]: Words4): number {
  return join53(x, y) * 2 ** -53 + 2 ** -54;
}

function boxMullerFloat([x, y]: Words4): number {
  const u = x * 2 ** -32 + 2 ** -33;
  const angle = y * turnUnit + turnUnit / 2;
  return Math.sqrt(-2 * Math.log(u)) * Math.sin(angle);
}

function boxMullerDouble([x, y, z, w]: Words4): number {
  const u = join53(x, y) * 2 ** -53 + 2 ** -54;
  const angle = Math.PI * (join53(z, w) * 2 ** -52 + 2 ** -53);
  return Math.sqrt(-2 * Math.log(u)) * Math.sin(angle);
}
