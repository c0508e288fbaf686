// CLIP's text encoder (Radford et al. 2021), transformers' CLIPTextModel, as a graph.
import {
  type AdapterSlots,
  clipEncoderLayer,
  layerNorm,
  linear,
  NetworkBuilder,
  type WeightScope,
} from '@emulsion/nn';
import { dataTypeNumbers, type Model, type Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';
import type { ClipTextConfig } from './clip-config.ts';

/**
 * Writes the graph.
 *
 * Inputs, int32: `input_ids` `[batch, sequence]`; `layer` `[1]`, which of the hidden states is wanted: 0 are the
 * embeddings, the number of layers is the last one; `end_positions` `[batch]`, where the rows' end tokens are in the
 * flattened ids. And float32: `learned_vectors` `[vectors, hiddenSize]`, at least one, which the ids from `vocabSize` on
 * stand for. Outputs, float32: `hidden_state` and, with the final layer norm, `last_hidden_state`
 * `[batch, sequence, hiddenSize]` of that layer; `pooled` `[batch, hiddenSize]`, the last layer at the end tokens; and
 * `text_embeds` `[batch, projectionDim]` if the checkpoint has a projection.
 * @param slots where adapters may enter, nowhere unless given; their inputs are `slotInputs` of @emulsion/nn
 * @throws {WeightError} if the weights do not match the configuration
 */
export function clipTextModel(
  name: string,
  config: ClipTextConfig,
  weights: WeightScope,
  dialect: Dialect,
  slots?: AdapterSlots,
): Model {
  const { hiddenSize, layers, epsilon, projectionDim } = config;
  const n = new NetworkBuilder(name, dialect, slots);
  const inputIds = n.input('input_ids', 'int32', ['batch', 'sequence']);
  const layer = n.input('layer', 'int32', [1]);
  const endPositions = n.input('end_positions', 'int32', ['batch']);
  const learnedVectors = n.input('learned_vectors', 'float32', ['vectors', hiddenSize]);
  // Newer transformers save the weights without the prefix.
  const w = weights.has('text_model.final_layer_norm.weight') ? weights.at('text_model') : weights;

  let x = embeddings(n, inputIds, learnedVectors, w.at('embeddings'), config);
  const mask = causalMask(n, inputIds, config.maxPositionEmbeddings);
  const hiddenStates = [x];
  for (let i = 0; i < layers; i++) {
    x = clipEncoderLayer(n, x, w.at(`encoder.layers.${i}`), config, mask);
    hiddenStates.push(x);
  }
  const finalNorm = (h: Value) => layerNorm(n, h, w.at('final_layer_norm'), hiddenSize, epsilon);
  const stacked = n.op(
    'Concat',
    hiddenStates.map((h) => n.op('Unsqueeze', [h, n.ints(0)])),
    { axis: 0 },
  );
  const wanted = n.op('Squeeze', [n.op('Gather', [stacked, layer], { axis: 0 }), n.ints(0)]);
  n.output('hidden_state', wanted);
  n.output('last_hidden_state', finalNorm(wanted));
  const rows = n.op('Reshape', [finalNorm(x), n.ints(-1, hiddenSize)]);
  const pooled = n.op('Gather', [rows, endPositions], { axis: 0 });
  n.output('pooled', pooled);
  if (weights.has('text_projection.weight')) {
    const projection = { inFeatures: hiddenSize, outFeatures: projectionDim, bias: false };
    n.output('text_embeds', linear(n, pooled, weights.at('text_projection'), projection));
  }
  return n.build();
}

function embeddings(
  n: NetworkBuilder,
  inputIds: Value,
  learnedVectors: Value,
  w: WeightScope,
  config: ClipTextConfig,
): Value {
  const { vocabSize, hiddenSize, maxPositionEmbeddings } = config;
  const toFloat = { to: dataTypeNumbers.float32 };
  // Looked up first and cast after: a cast of the whole table would be kept in memory.
  const table = w.table(n, 'token_embedding.weight', [vocabSize, hiddenSize]);
  const learned = learnedIds(n, inputIds, vocabSize);
  const stored = n.op('Cast', [n.op('Gather', [table, learned.stored], { axis: 0 })], toFloat);
  const own = n.op('Gather', [learnedVectors, learned.own], { axis: 0 });
  const tokens = n.op('Where', [n.op('Unsqueeze', [learned.are, n.ints(-1)]), own, stored]);
  const positions = w.value(n, 'position_embedding.weight', [maxPositionEmbeddings, hiddenSize]);
  const sequence = n.op('Shape', [inputIds], { start: 1, end: 2 });
  return n.op('Add', [tokens, n.op('Slice', [positions, n.ints(0), sequence, n.ints(0)])]);
}

/** Whether ids are learned ones, and for both tables the rows, 0 where the other one has it. */
function learnedIds(n: NetworkBuilder, inputIds: Value, vocabSize: number) {
  const scalar = (value: number) => n.constant(tensor(Int32Array.of(value), []));
  const are = n.op('Greater', [inputIds, scalar(vocabSize - 1)]);
  return {
    are,
    stored: n.op('Where', [are, scalar(0), inputIds]),
    own: n.op('Where', [are, n.op('Sub', [inputIds, scalar(vocabSize)]), scalar(0)]),
  };
}

/** What keeps a token from seeing later ones: −3.4e38 above the diagonal, cut to the sequence's length. */
function causalMask(n: NetworkBuilder, inputIds: Value, longest: number): Value {
  const mask = new Float32Array(longest * longest);
  for (let row = 0; row < longest; row++)
    mask.fill(-3.4028234663852886e38, row * longest + row + 1, (row + 1) * longest);
  const sequence = n.op('Shape', [inputIds], { start: 1, end: 2 });
  const ends = n.op('Concat', [sequence, sequence], { axis: 0 });
  return n.op('Slice', [n.constant(tensor(mask, [longest, longest])), n.ints(0, 0), ends, n.ints(0, 1)]);
}
