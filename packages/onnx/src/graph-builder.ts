// Writes a graph node by node, with the types of its values inferred on the way.
import { type AnyTensor, tensor } from '@emulsion/tensor';
import type { ByteRange } from './byte-range.ts';
import { type DataType, dataTypeBytes } from './data-type.ts';
import { GraphError } from './errors.ts';
import {
  type Attribute,
  bytesOf,
  type Dim,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  type Value,
  type ValueType,
} from './graph.ts';
import { inferTypes } from './shape-inference.ts';

/** What may stand for an attribute in `GraphBuilder.op`: numbers are integers, `float(x)` is a float. */
export type AttributeLike = number | string | readonly number[] | Attribute;

/** Options of a node beside its inputs and attributes. */
export interface NodeOptions {
  /** `''` is ONNX's own domain, the default. */
  readonly domain?: string;
  /** Name of the node, for error messages and profiles; values are named after it. */
  readonly name?: string;
  /** Number of outputs; 1 unless said otherwise. */
  readonly outputs?: number;
}

const toAttribute = (value: AttributeLike): Attribute => {
  if (typeof value === 'number') return { kind: 'int', value };
  if (typeof value === 'string') return { kind: 'string', value };
  if ('kind' in value) return value;
  return { kind: 'ints', value };
};

/** Integer elements of small tensors, which shape inference computes with. */
const elementsOf = ({ dtype, dims, data }: AnyTensor): readonly number[] | undefined => {
  if (dims.length > 1 || data.length > 8) return undefined;
  return dtype === 'int64' || dtype === 'int32' || dtype === 'float32' ? Array.from(data, Number) : undefined;
};

/** What is known of a value that has one of two shapes. */
const commonShape = (
  first: readonly Dim[] | undefined,
  second: readonly Dim[] | undefined,
): readonly Dim[] | undefined =>
  first && second && first.length === second.length
    ? first.map((dim, axis) => (dim === second[axis] ? dim : undefined))
    : undefined;

/** The operator sets that the builder writes for: ONNX 1.15's, and onnxruntime's own operators. */
const opsetVersions = { '': 20, 'com.microsoft': 1 } as const;

/** Builds one graph. */
export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  #nodes: Node[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #constants = new Map<string, Value>();
  readonly #names = new Map<string, number>();

  constructor(name: string) {
    this.#name = name;
  }

  /** A name that no other value or node of the graph has. */
  #unique(name: string): string {
    const count = this.#names.get(name) ?? 0;
    this.#names.set(name, count + 1);
    return count === 0 ? name : this.#unique(`${name}_${count}`);
  }

  /** An input of the graph. A dimension given as a name is free. */
  input(name: string, dataType: DataType, shape: readonly Dim[]): Value {
    const value: Value = { name: this.#unique(name), type: { dataType, shape } };
    this.#inputs.push(value);
    return value;
  }

  /**
   * A stored tensor: a weight in a file, or elements that travel with the graph. Asked for twice by one name, it is
   * stored once.
   * @throws {GraphError} if the range is not as long as the elements are
   */
  initializer(
    name: string,
    dataType: DataType,
    dims: readonly number[],
    data: Uint8Array | ByteRange,
  ): Value {
    const stored = this.#initializers.get(name);
    if (stored) return stored.value;
    const length = dims.reduce((size, dim) => size * dim, dataTypeBytes[dataType]);
    if (data.length !== length) {
      throw new GraphError(
        `${this.#name}: "${name}" has ${data.length} bytes, ${dataType} [${dims.join(', ')}] takes ${length}. The file that it is from is damaged.`,
      );
    }
    const value: Value = { name: this.#unique(name), type: { dataType, shape: dims } };
    this.#initializers.set(name, { value, dataType, dims, data });
    return value;
  }

  /** A constant tensor that travels with the graph. Equal small constants are stored once. */
  constant(constant: AnyTensor): Value {
    const elements = elementsOf(constant);
    const key = elements && `${constant.dtype}[${constant.dims.join(',')}]:${elements.join(',')}`;
    const stored = key && this.#constants.get(key);
    if (stored) return stored;
    const { dtype, dims } = constant;
    const type: ValueType = { dataType: dtype, shape: dims, ...(elements && { elements }) };
    const value: Value = { name: this.#unique('constant'), type };
    this.#initializers.set(value.name, { value, dataType: dtype, dims, data: bytesOf(constant.data) });
    if (key) this.#constants.set(key, value);
    return value;
  }

  /** A float32 scalar. */
  scalar(value: number): Value {
    return this.constant(tensor([value], []));
  }

  /** A vector of int64, as shapes, axes and sizes are given. */
  ints(...values: readonly number[]): Value {
    return this.constant(tensor(BigInt64Array.from(values, BigInt), [values.length]));
  }

  /**
   * Adds a node and gives its outputs.
   * @throws {GraphError} if the inputs do not fit the operator, with the node's name and the shapes that came
   */
  ops(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeLike>> = {},
    options: NodeOptions = {},
  ): Value[] {
    const { domain = '', outputs: count = 1 } = options;
    const name = this.#unique(options.name ?? opType);
    const kept = Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)]),
    );
    const qualified = domain === '' ? opType : `${domain}.${opType}`;
    let types: (ValueType | undefined)[];
    try {
      types = inferTypes(
        qualified,
        inputs.map((input) => input?.type),
        kept,
      );
    } catch (cause) {
      if (!GraphError.is(cause)) throw cause;
      throw new GraphError(`${this.#name}: ${name}: ${cause.message}`, { cause });
    }
    const outputs = Array.from({ length: count }, (_, i): Value => {
      const type = types[i];
      return { name: this.#unique(`${name}:${i}`), ...(type && { type }) };
    });
    this.#nodes.push({ opType, domain, name, inputs, outputs, attributes: kept });
    return outputs;
  }

  /** Adds a node with one output and gives it. */
  op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes?: Readonly<Record<string, AttributeLike>>,
    options?: Omit<NodeOptions, 'outputs'>,
  ): Value {
    return this.ops(opType, inputs, attributes, options)[0]!;
  }

  /**
   * One of two values, of which only the one that is wanted is computed. Both may use what is there outside.
   * @param condition a bool of one element
   * @param then writes the nodes of the value for a true condition, and gives it
   * @returns the value, of the sizes that both have in common
   */
  either(condition: Value, then: () => Value, otherwise: () => Value): Value {
    const branches = {
      then_branch: this.#branch('then', then),
      else_branch: this.#branch('else', otherwise),
    };
    const { then_branch: first, else_branch: second } = branches;
    const [type, other] = [first, second].map(({ outputs }) => outputs[0]!.type);
    const shape = commonShape(type?.shape, other?.shape);
    const name = this.#unique('If');
    const output: Value = {
      name: this.#unique(`${name}:0`),
      ...(type && { type: { dataType: type.dataType, ...(shape && { shape }) } }),
    };
    const attributes = Object.fromEntries(
      Object.entries(branches).map(([key, value]) => [key, { kind: 'graph', value } as const]),
    );
    this.#nodes.push({ opType: 'If', domain: '', name, inputs: [condition], outputs: [output], attributes });
    return output;
  }

  /** A graph within the graph. What is stored lies outside. */
  #branch(name: string, write: () => Value): Graph {
    const outer = this.#nodes;
    this.#nodes = [];
    try {
      const outputs = [this.#renamed(name, write())];
      return { name, inputs: [], outputs, nodes: this.#nodes, initializers: [] };
    } finally {
      this.#nodes = outer;
    }
  }

  /** The value under a name of its own. */
  #renamed(name: string, value: Value): Value {
    const output: Value = { name: this.#unique(name), ...(value.type && { type: value.type }) };
    this.#nodes.push({
      opType: 'Identity',
      domain: '',
      name: this.#unique(`${name}/Identity`),
      inputs: [value],
      outputs: [output],
      attributes: {},
    });
    return output;
  }

  /** Makes `value` an output of the graph under `name`. */
  output(name: string, value: Value): void {
    this.#outputs.push(this.#renamed(name, value));
  }

  /** The finished model. */
  build(): Model {
    const graph: Graph = {
      name: this.#name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      nodes: this.#nodes,
      initializers: [...this.#initializers.values()],
    };
    return { graph, opsetVersions };
  }
}
