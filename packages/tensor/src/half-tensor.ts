// Float32 tensors whose elements are still in the 16 bits that a file has for each.
import { ShapeError } from './errors.ts';
import { fromFloat16 } from './float16.ts';
import { sizeOf, type Tensor } from './tensor.ts';

/** What the 16 bits are: IEEE 754 binary16, or the upper half of a float32. */
export type HalfFormat = 'float16' | 'bfloat16';

/** A float32 tensor that is held in half of its bytes until its `data` is asked for, which is exact. */
export class HalfTensor implements Tensor {
  readonly dtype = 'float32';
  readonly dims: readonly number[];
  readonly format: HalfFormat;
  #elements: Uint16Array | Float32Array;

  /** @throws {ShapeError} if `dims` do not multiply to the number of elements */
  constructor(halves: Uint16Array, dims: readonly number[], format: HalfFormat) {
    if (sizeOf(dims) !== halves.length) {
      throw new ShapeError(
        `HalfTensor: dims [${dims.join(', ')}] do not describe ${halves.length} elements. Give dimensions that multiply to the length of the data.`,
      );
    }
    this.dims = [...dims];
    this.format = format;
    this.#elements = halves;
  }

  /** The elements in 16 bits, of which nobody may change any; nothing once `data` was asked for. */
  get halves(): Uint16Array | undefined {
    return this.#elements instanceof Uint16Array ? this.#elements : undefined;
  }

  get data(): Float32Array {
    if (this.#elements instanceof Uint16Array) this.#elements = widen(this.#elements, this.format);
    return this.#elements;
  }
}

/** Elements of 16 bits as float32; exact. */
export function widen(halves: Uint16Array, format: HalfFormat): Float32Array {
  if (format === 'float16') return fromFloat16(halves);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < bits.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** The same elements with other dims, in the bytes that they are in. @throws {ShapeError} if these do not fit */
export function reshape(x: Tensor, dims: readonly number[]): Tensor {
  if (x instanceof HalfTensor && x.halves) return new HalfTensor(x.halves, dims, x.format);
  if (sizeOf(dims) === sizeOf(x.dims)) return { dtype: 'float32', dims: [...dims], data: x.data };
  throw new ShapeError(
    `reshape: [${dims.join(', ')}] are not the ${sizeOf(x.dims)} elements of [${x.dims.join(', ')}]. Give dimensions that multiply to as many.`,
  );
}
