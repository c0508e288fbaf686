// A ready-made graph of CLIP's text encoder, as Optimum exports it, with the inputs and outputs of `clipTextModel`.
import {
  dataTypeNumbers,
  float,
  type Graph,
  GraphError,
  type Initializer,
  type Model,
  type Node,
  replaceValues,
  type Value,
} from '@emulsion/onnx';
import type { ClipTextConfig } from './clip-config.ts';

/** The normalization at the end of the encoder: what it normalizes, and the weights that it does that with. */
interface FinalNorm {
  readonly input: Value;
  readonly scale: Value;
  readonly bias: Value;
}

/**
 * Gives the graph of an export (`input_ids` → `last_hidden_state`, `hidden_states.0` to the last, `text_embeds` where
 * there is a projection) the inputs and outputs that `clipTextModel` describes.
 * @throws {GraphError} if the graph has other outputs; a graph without hidden states is one that skips no layers, and one
 * without a table of tokens learns none
 */
export function readyClipModel(
  name: string,
  model: Model,
  config: ClipTextConfig,
): { readonly model: Model; readonly skipsLayers: boolean; readonly learnsTokens: boolean } {
  const { graph, opsetVersions } = model;
  const last = graph.outputs.find((output) => output.name === 'last_hidden_state');
  const inputIds = graph.inputs.find((input) => input.name === 'input_ids');
  const norm = last && findFinalNorm(graph, last);
  if (!norm || !inputIds || graph.inputs.length !== 1) {
    const names = [...graph.inputs, ...graph.outputs].map((value) => value.name);
    throw new GraphError(
      `${name}: its graph (${names.join(', ')}) is not one of a CLIP text encoder with "input_ids" and "last_hidden_state". Export the model with Optimum.`,
    );
  }
  const inner: Value = { name: 'last_hidden_state of all layers', ...(last.type && { type: last.type }) };
  const of = (value: Value) => (value === last ? inner : value);
  const hidden = hiddenStates(graph, config.layers);
  const added = new Additions();
  const learnedVectors: Value = {
    name: 'learned_vectors',
    type: { dataType: 'float32', shape: ['vectors', config.hiddenSize] },
  };
  const taught = withLearnedTokens(graph, added, inputIds, learnedVectors, config);
  const [layer, endPositions] = [int32('layer', 1), int32('end_positions', 'batch')];
  const stacked = hidden ?? [norm.input];
  const index = hidden ? layer : added.op('Sub', [layer, added.int32(config.layers)]);
  const states = added.op(
    'Concat',
    stacked.map((state) => added.op('Unsqueeze', [state, added.int64(0)])),
    { axis: 0 },
  );
  const wanted = added.op('Squeeze', [added.op('Gather', [states, index], { axis: 0 }), added.int64(0)]);
  const rows = added.op('Reshape', [inner, added.int64(-1, config.hiddenSize)]);
  const attributes = { axis: -1, epsilon: float(config.epsilon) };
  const textEmbeds = graph.outputs.find((output) => output.name === 'text_embeds');
  const outputs = [
    added.named('hidden_state', added.op('Identity', [wanted])),
    added.named(
      'last_hidden_state',
      added.op('LayerNormalization', [wanted, norm.scale, norm.bias], attributes),
    ),
    added.named('pooled', added.op('Gather', [rows, endPositions], { axis: 0 })),
    ...(textEmbeds ? [textEmbeds] : []),
  ];
  return {
    skipsLayers: hidden !== undefined,
    learnsTokens: taught !== undefined,
    model: {
      opsetVersions,
      graph: {
        ...graph,
        inputs: [inputIds, layer, endPositions, learnedVectors],
        outputs,
        nodes: [...replaceValues(taught ?? graph.nodes, of), ...added.nodes],
        initializers: [...graph.initializers, ...added.initializers],
      },
    },
  };
}

/** The graph's nodes, with ids from `vocabSize` on looked up in `learnedVectors`; undefined if its table is not found. */
function withLearnedTokens(
  { nodes, initializers }: Graph,
  added: Additions,
  inputIds: Value,
  learnedVectors: Value,
  { vocabSize, hiddenSize }: ClipTextConfig,
): Node[] | undefined {
  const table = initializers.find(({ dims }) => String(dims) === String([vocabSize, hiddenSize]));
  const lookUp = nodes.find(({ opType, inputs }) => opType === 'Gather' && inputs[0] === table?.value);
  if (!table || !lookUp) return undefined;
  const are = added.op('Greater', [inputIds, added.int32(vocabSize - 1)]);
  const storedIds = added.op('Where', [are, added.int32(0), inputIds]);
  const ownIds = added.op('Where', [
    are,
    added.op('Sub', [inputIds, added.int32(vocabSize)]),
    added.int32(0),
  ]);
  const own = added.op('Cast', [added.op('Gather', [learnedVectors, ownIds], { axis: 0 })], {
    to: dataTypeNumbers[table.dataType],
  });
  const stored = added.op('Gather', [table.value, storedIds], { axis: 0 });
  added.op('Where', [added.op('Unsqueeze', [are, added.int64(-1)]), own, stored]);
  // The last of these gives what the look-up gave before.
  const replacement = added.takeNodes();
  const chosen: Node = { ...replacement.pop()!, outputs: lookUp.outputs };
  return nodes.flatMap((node) => (node === lookUp ? [...replacement, chosen] : [node]));
}

const int32 = (name: string, dim: number | string): Value => ({
  name,
  type: { dataType: 'int32', shape: [dim] },
});

/** All hidden states in their order, if the graph gives them. */
function hiddenStates({ outputs }: Graph, layers: number): Value[] | undefined {
  const states = Array.from({ length: layers + 1 }, (_, i) =>
    outputs.find(({ name }) => name === `hidden_states.${i}`),
  );
  return states.every((state) => state !== undefined) ? states : undefined;
}

/** The normalization that gives `last`: one node, or in older exports (x − mean) / deviation · scale + bias. */
function findFinalNorm({ nodes }: Graph, last: Value): FinalNorm | undefined {
  const makerOf = (value: Value | undefined) => nodes.find(({ outputs }) => value && outputs.includes(value));
  const end = makerOf(last);
  if (end?.opType === 'LayerNormalization') {
    const [input, scale, bias] = end.inputs;
    return input && scale && bias && { input, scale, bias };
  }
  /** The operand that the wanted operation makes, and the other one. */
  const operands = (node: Node | undefined, opType: string) => {
    const [a, b] = node?.inputs ?? [];
    const made = makerOf(a)?.opType === opType ? a : b;
    return { maker: makerOf(made), other: made === a ? b : a };
  };
  if (end?.opType !== 'Add') return undefined;
  const { maker: scaled, other: bias } = operands(end, 'Mul');
  const { maker: divided, other: scale } = operands(scaled, 'Div');
  const input = makerOf(divided?.inputs[0])?.inputs[0];
  return scaled?.opType === 'Mul' && divided?.opType === 'Div' && input && scale && bias
    ? { input, scale, bias }
    : undefined;
}

/** Nodes and constants that are added to a graph; none of its own names begins as theirs do. */
class Additions {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  #count = 0;

  op(
    opType: string,
    inputs: readonly Value[],
    attributes: Record<string, number | Node['attributes'][string]> = {},
  ): Value {
    const output: Value = { name: `emulsion/${opType}_${this.#count++}` };
    this.nodes.push({
      opType,
      domain: '',
      name: output.name,
      inputs,
      outputs: [output],
      attributes: Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [
          key,
          typeof value === 'number' ? { kind: 'int' as const, value } : value,
        ]),
      ),
    });
    return output;
  }

  /** The nodes so far, for another place than the end of the graph. */
  takeNodes(): Node[] {
    return this.nodes.splice(0);
  }

  /** The last value that was added under a name of the interface. */
  named(name: string, value: Value): Value {
    const node = this.nodes.pop()!;
    const output: Value = { name, type: { dataType: 'float32' } };
    this.nodes.push({ ...node, outputs: node.outputs.map((other) => (other === value ? output : other)) });
    return output;
  }

  int64(...values: readonly number[]): Value {
    return this.#constant('int64', [values.length], new BigInt64Array(values.map(BigInt)));
  }

  int32(value: number): Value {
    return this.#constant('int32', [1], Int32Array.of(value));
  }

  #constant(dataType: 'int32' | 'int64', dims: readonly number[], data: Int32Array | BigInt64Array): Value {
    const value: Value = {
      name: `emulsion/constant_${this.initializers.length}`,
      type: { dataType, shape: dims },
    };
    this.initializers.push({ value, dataType, dims, data: new Uint8Array(data.buffer) });
    return value;
  }
}
