// The weights of a network, looked up by module path while its graph is written.
import type { Weight, Weights } from '@emulsion/checkpoints';
import { type DataType, dataTypeNumbers, type Value } from '@emulsion/onnx';
import { EmulsionError, sizeOf } from '@emulsion/tensor';
import { lateShape } from './late-shape.ts';
import type { NetworkBuilder } from './network-builder.ts';

/** A weight that the network's configuration asks for is not in the checkpoint, or has another shape or type. */
export class WeightError extends EmulsionError {
  static override readonly className = 'WeightError';
  /** The weight's full name. */
  readonly weight: string;

  constructor(weight: string, message: string) {
    super(message);
    this.weight = weight;
  }
}

/**
 * Bytes of half-precision weights from which on they are cast anew in each run, if the device can. Below, onnxruntime keeps a float32
 * copy, which is faster and takes three times the memory of the file.
 */
const lateCastBytes = 400 * 2 ** 20;

const isHalf = (dtype: DataType) => dtype === 'float16' || dtype === 'bfloat16';

/** What all scopes of one network share. */
interface Root {
  readonly network: string;
  readonly weights: Weights;
  readonly used: Set<string>;
  readonly castLate: boolean;
}

/** The weights below one module path. */
export class WeightScope {
  readonly path: string;
  readonly #root: Root;

  private constructor(root: Root, path: string) {
    this.#root = root;
    this.path = path;
  }

  /** All weights of a network; `network` is what messages call it. */
  static of(network: string, weights: Weights): WeightScope {
    const halves = [...weights.values()].filter(({ dtype }) => isHalf(dtype));
    const castLate = halves.reduce((sum, { range }) => sum + range.length, 0) >= lateCastBytes;
    return new WeightScope({ network, weights, used: new Set(), castLate }, '');
  }

  /** The scope of a module inside of this one. */
  at(module: string): WeightScope {
    return new WeightScope(this.#root, this.#name(module));
  }

  /** Whether there is a weight of this name. */
  has(name: string): boolean {
    return this.#root.weights.has(this.#name(name));
  }

  /** Names of the weights that no layer asked for. */
  unused(): string[] {
    return [...this.#root.weights.keys()].filter((name) => !this.#root.used.has(name));
  }

  /**
   * A weight as a float32 value of the graph. A large half-precision matrix is cast when `after` is there: made to
   * depend on it, the cast is neither folded at load nor done for all layers before the first.
   * @param dims what the layer takes; a weight with the same elements and only other dims of size 1 is reshaped
   * @throws {WeightError} if it is missing, of another shape, or of a type that is no number
   */
  value(n: NetworkBuilder, name: string, dims: readonly number[], after?: Value): Value {
    const weight = this.#find(name, dims);
    const stored = n.initializer(weight.name, weight.dtype, dims, weight.range);
    return this.#toFloat(n, weight, stored, dims, after);
  }

  /** Rows `start` to `end` (excluded) of the weight, which lie together in the file. Otherwise as `value`. */
  rows(
    n: NetworkBuilder,
    name: string,
    dims: readonly number[],
    start: number,
    end: number,
    after?: Value,
  ): Value {
    const weight = this.#find(name, dims);
    const rowBytes = weight.range.length / dims[0]!;
    const part = [end - start, ...dims.slice(1)];
    const range = {
      ...weight.range,
      offset: weight.range.offset + start * rowBytes,
      length: (end - start) * rowBytes,
    };
    const stored = n.initializer(`${weight.name}[${start}:${end}]`, weight.dtype, part, range);
    return this.#toFloat(n, weight, stored, part, after);
  }

  /** A table as it is stored, for looking up rows; see `lookUp`. */
  table(n: NetworkBuilder, name: string, dims: readonly number[]): Value {
    const weight = this.#find(name, dims);
    return n.initializer(weight.name, weight.dtype, dims, weight.range);
  }

  /** Whether a weight is cast in each run, if `value` is told after what. */
  castsLate(n: NetworkBuilder, name: string): boolean {
    const weight = this.#root.weights.get(this.#name(name));
    return weight !== undefined && this.#castsLate(n, weight);
  }

  /** Dims of a weight that may have one of several shapes; `undefined` if it is not there. */
  dims(name: string): readonly number[] | undefined {
    return this.#root.weights.get(this.#name(name))?.dims;
  }

  #name(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  #find(name: string, dims: readonly number[]): Weight {
    const { network, weights, used } = this.#root;
    const full = this.#name(name);
    const weight = weights.get(full);
    if (!weight) {
      throw new WeightError(
        full,
        `${network}: the checkpoint has no weight "${full}". Its config.json asks for it: take config and weights from the same model.`,
      );
    }
    const squeezed = (shape: readonly number[]) => shape.filter((dim) => dim !== 1).join(', ');
    if (squeezed(weight.dims) !== squeezed(dims) || sizeOf(weight.dims) !== sizeOf(dims)) {
      throw new WeightError(
        full,
        `${network}: "${full}" is [${weight.dims.join(', ')}], its config.json asks for [${dims.join(', ')}]. Take config and weights from the same model.`,
      );
    }
    if (weight.dtype !== 'float32' && !isHalf(weight.dtype)) {
      throw new WeightError(
        full,
        `${network}: "${full}" is ${weight.dtype}. Weights of type float32, float16 or bfloat16 are wanted.`,
      );
    }
    used.add(full);
    return weight;
  }

  #castsLate(n: NetworkBuilder, { dtype }: Weight): boolean {
    return this.#root.castLate && n.dialect.lateCasts.some((late) => late === dtype);
  }

  #toFloat(n: NetworkBuilder, weight: Weight, stored: Value, dims: readonly number[], after?: Value): Value {
    if (!isHalf(weight.dtype)) return stored;
    const to = { to: dataTypeNumbers.float32 };
    if (!this.#castsLate(n, weight) || after === undefined || dims.length < 2)
      return n.op('Cast', [stored], to);
    return n.op('Cast', [n.op('Reshape', [stored, lateShape(n, after, dims)])], to);
  }
}
