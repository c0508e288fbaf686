// What a graph takes of memory, told from its shapes: the weights that it keeps, and the activations of a run.
import { type DataType, dataTypeBytes } from './data-type.ts';
import { type Graph, isByteRange, type Model, type Node, type Value, type ValueType } from './graph.ts';
import { inferTypes } from './shape-inference.ts';

/** Bytes of a graph's weights. */
export interface WeightMemory {
  /** In the files that they are read from. */
  readonly stored: number;
  /** In memory: what is computed of constants alone, a cast for instance, is computed at load and kept in their place. */
  readonly loaded: number;
}

type Types = Map<Value, ValueType | undefined>;

/** The bytes of a value, if its size is known. */
function bytesOfType(type: ValueType | undefined): number | undefined {
  return type?.shape?.reduce<number | undefined>(
    (size, dim) => (size === undefined || typeof dim !== 'number' ? undefined : size * dim),
    dataTypeBytes[type.dataType as DataType],
  );
}

const initializerTypes = ({ initializers }: Graph): Types =>
  new Map(initializers.map(({ value, dataType, dims }) => [value, value.type ?? { dataType, shape: dims }]));

/** The branches of a node, the last one the cheaper: what `If` computes where nothing is to be added. */
const branchesOf = ({ attributes }: Node): Graph[] =>
  Object.values(attributes).flatMap((attribute) => (attribute.kind === 'graph' ? [attribute.value] : []));

/** What a node reads, its branches included. */
const readsOf = (node: Node): Value[] => [
  ...node.inputs.filter((input) => input !== undefined),
  ...branchesOf(node).flatMap(({ nodes }) => nodes.flatMap(readsOf)),
];

function inferNode(node: Node, types: Types): void {
  const { domain, opType, inputs, outputs, attributes } = node;
  const branch = branchesOf(node).at(-1);
  if (branch) {
    for (const inner of branch.nodes) inferNode(inner, types);
    for (const [i, output] of outputs.entries()) types.set(output, types.get(branch.outputs[i]!));
    return;
  }
  const name = domain === '' ? opType : `${domain}.${opType}`;
  const inferred = inferTypes(
    name,
    inputs.map((input) => input && types.get(input)),
    attributes,
  );
  for (const [i, output] of outputs.entries()) types.set(output, inferred[i]);
}

/** The nodes that depend on an input of the graph, or on nothing at all, such as random numbers. */
function runNodes({ initializers, nodes }: Graph): Node[] {
  const constants = new Set<Value | undefined>([undefined, ...initializers.map(({ value }) => value)]);
  return nodes.filter(({ inputs, outputs }) => {
    const isConstant = inputs.length > 0 && inputs.every((input) => constants.has(input));
    if (isConstant) for (const output of outputs) constants.add(output);
    return !isConstant;
  });
}

/** What the weights of a graph take. Of a ready-made graph what follows from them may not be known; then they count. */
export function weightMemory({ graph }: Model): WeightMemory {
  const types = initializerTypes(graph);
  const running = new Set(runNodes(graph));
  const loaded = new Map<Value, number>(
    graph.initializers.map(({ value, data }) => [value, data.length] as const),
  );
  for (const node of graph.nodes) {
    if (running.has(node)) continue;
    inferNode(node, types);
    const source = node.inputs.reduce((sum, input) => sum + ((input && loaded.get(input)) ?? 0), 0);
    for (const output of node.outputs) loaded.set(output, bytesOfType(types.get(output)) ?? source);
  }
  const kept = new Set<Value>([...running].flatMap(readsOf));
  return {
    stored: graph.initializers.reduce((sum, { data }) => sum + (isByteRange(data) ? data.length : 0), 0),
    loaded: [...kept].reduce((sum, value) => sum + (loaded.get(value) ?? 0), 0),
  };
}

/**
 * Shapes of a graph's inputs, with `sizes` for its names of sizes. What is not among them, and what may have any size, is
 * taken as 1.
 * @returns `undefined` if there is an input whose rank is not known
 */
export function inputShapes(
  { graph }: Model,
  sizes: Readonly<Record<string, number>>,
): Record<string, readonly number[]> | undefined {
  const shapes: Record<string, readonly number[]> = {};
  for (const { name, type } of graph.inputs) {
    if (!type?.shape) return undefined;
    shapes[name] = type.shape.map((dim) => (typeof dim === 'string' ? sizes[dim] : dim) ?? 1);
  }
  return shapes;
}

/** Operators whose output is their first input with another shape. */
const views = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity']);
/** Operators that may write over an input of the same size that nobody reads after them. */
const inPlace = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Sigmoid',
  'Tanh',
  'Relu',
  'Gelu',
  'Erf',
  'Sqrt',
  'Neg',
  'Softmax',
]);
/** Operators that copy their inputs into another order before they begin. */
const copying = new Set(['MultiHeadAttention']);

/** Memory that values share, and how often they are still read. */
interface Buffer {
  readonly bytes: number;
  reads: number;
}

/**
 * The most bytes that the values of a run take at one time, inputs and outputs included, for inputs of `shapes`. A device
 * takes somewhat more: for rounding, and for what its kernels need on the way.
 * @returns `undefined` if an input has no shape here, or a size is not known, as in ready-made graphs with other operators
 * @throws {GraphError} if the shapes do not fit the graph
 */
export function activationMemory(
  { graph }: Model,
  shapes: Readonly<Record<string, readonly number[]>>,
): number | undefined {
  const types = initializerTypes(graph);
  for (const input of graph.inputs) {
    const shape = shapes[input.name];
    if (!shape || !input.type) return undefined;
    types.set(input, { dataType: input.type.dataType, shape });
  }
  for (const node of graph.nodes) inferNode(node, types);
  const running = runNodes(graph);
  // Inputs are the caller's, and outputs are for it.
  const reads = new Map<Value, number>([...graph.inputs, ...graph.outputs].map((value) => [value, 1]));
  for (const node of running)
    for (const value of readsOf(node)) reads.set(value, (reads.get(value) ?? 0) + 1);

  const buffers = new Map<Value, Buffer>();
  let [live, peak] = [0, 0];
  const allocate = (value: Value): boolean => {
    const bytes = bytesOfType(types.get(value));
    if (bytes === undefined) return false;
    buffers.set(value, { bytes, reads: reads.get(value) ?? 0 });
    live += bytes;
    return true;
  };
  const share = (value: Value, buffer: Buffer) => {
    buffer.reads += reads.get(value) ?? 0;
    buffers.set(value, buffer);
  };
  for (const input of graph.inputs) if (!allocate(input)) return undefined;
  for (const node of running) {
    const { opType, inputs, outputs } = node;
    const read = readsOf(node).flatMap((value) => buffers.get(value) ?? []);
    const [output, ...others] = outputs;
    const target = bytesOfType(types.get(output!));
    const viewed = views.has(opType) && inputs[0] ? buffers.get(inputs[0]) : undefined;
    const dying = inPlace.has(opType)
      ? read.find(
          (buffer) => buffer.bytes === target && buffer.reads === read.filter((b) => b === buffer).length,
        )
      : undefined;
    const shared = viewed ?? dying;
    if (shared) share(output!, shared);
    else if (!allocate(output!)) return undefined;
    for (const other of others) if (!allocate(other)) return undefined;
    const copies = copying.has(opType) ? read.reduce((sum, { bytes }) => sum + bytes, 0) : 0;
    peak = Math.max(peak, live + copies);
    for (const buffer of read) buffer.reads--;
    const touched = new Set([...read, ...outputs.map((value) => buffers.get(value)!)]);
    for (const buffer of touched) if (buffer.reads === 0) live -= buffer.bytes;
  }
  return peak;
}
