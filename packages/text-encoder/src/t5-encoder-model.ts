// T5's encoder (Raffel et al. 2020), transformers' T5EncoderModel, as a graph.
import { activate, linear, NetworkBuilder, rmsNorm, type WeightScope } from '@emulsion/nn';
import { dataTypeNumbers, type Model, type Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import type { T5Config } from './t5-config.ts';

/**
 * Writes the graph.
 *
 * Inputs: int32 `input_ids` `[batch, sequence]` and `distance_buckets` `[sequence, sequence]` (see `distanceBuckets`);
 * float32 `attention_mask` `[batch, sequence]`, 1 for tokens and 0 for padding that no token may see. Output:
 * `last_hidden_state` `[batch, sequence, hiddenSize]`.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function t5EncoderModel(
  name: string,
  config: T5Config,
  weights: WeightScope,
  dialect: Dialect,
): Model {
  const { hiddenSize, vocabSize, layers, epsilon } = config;
  const n = new NetworkBuilder(name, dialect);
  const inputIds = n.input('input_ids', 'int32', ['batch', 'sequence']);
  const buckets = n.input('distance_buckets', 'int32', ['sequence', 'sequence']);
  const attentionMask = n.input('attention_mask', 'float32', ['batch', 'sequence']);
  const shared = weights.has('shared.weight') ? weights.at('shared') : weights.at('encoder.embed_tokens');
  const w = weights.at('encoder');

  // Looked up first and cast after: a cast of the whole table would be kept in memory.
  const table = shared.table(n, 'weight', [vocabSize, hiddenSize]);
  const toFloat = { to: dataTypeNumbers.float32 };
  let x = n.op('Cast', [n.op('Gather', [table, inputIds], { axis: 0 })], toFloat);
  const bias = n.op('Add', [distanceBias(n, buckets, w, config), hidden(n, attentionMask)]);
  for (let i = 0; i < layers; i++) {
    const attending = w.at(`block.${i}.layer.0`);
    const normalized = rmsNorm(n, x, attending.at('layer_norm'), hiddenSize, epsilon);
    x = n.op('Add', [x, selfAttention(n, normalized, bias, attending.at('SelfAttention'), config)]);
    const feeding = w.at(`block.${i}.layer.1`);
    const inner = rmsNorm(n, x, feeding.at('layer_norm'), hiddenSize, epsilon);
    x = n.op('Add', [x, feedForward(n, inner, feeding.at('DenseReluDense'), config)]);
  }
  n.output('last_hidden_state', rmsNorm(n, x, w.at('final_layer_norm'), hiddenSize, epsilon));
  return n.build();
}

/** What each head adds to the scores at each distance, `[1, heads, sequence, sequence]`; learned by the first block for all. */
function distanceBias(n: NetworkBuilder, buckets: Value, w: WeightScope, config: T5Config): Value {
  const { distanceBuckets, heads } = config;
  const learned = w.at('block.0.layer.0.SelfAttention.relative_attention_bias');
  const table = learned.value(n, 'weight', [distanceBuckets, heads]);
  const biases = n.op('Gather', [table, buckets], { axis: 0 });
  return n.op('Unsqueeze', [n.op('Transpose', [biases], { perm: [2, 0, 1] }), n.ints(0)]);
}

/** −3.4e38 for each token that must not be seen, `[batch, 1, 1, sequence]`. */
function hidden(n: NetworkBuilder, attentionMask: Value): Value {
  const padding = n.op('Sub', [n.scalar(1), attentionMask]);
  const scores = n.op('Mul', [padding, n.scalar(-3.4028234663852886e38)]);
  return n.op('Unsqueeze', [scores, n.ints(1, 2)]);
}

/** Attention without the usual scale, which T5 keeps in its weights. */
function selfAttention(n: NetworkBuilder, x: Value, bias: Value, w: WeightScope, config: T5Config): Value {
  const { hiddenSize, heads, headSize } = config;
  const channels = heads * headSize;
  const project = (name: string, perm: readonly number[]) => {
    const projected = linear(n, x, w.at(name), {
      inFeatures: hiddenSize,
      outFeatures: channels,
      bias: false,
    });
    return n.op('Transpose', [n.op('Reshape', [projected, n.ints(0, 0, heads, headSize)])], { perm });
  };
  const scores = n.op('MatMul', [project('q', [0, 2, 1, 3]), project('k', [0, 2, 3, 1])]);
  const shares = n.op('Softmax', [n.op('Add', [scores, bias])], { axis: -1 });
  const mixed = n.op('Transpose', [n.op('MatMul', [shares, project('v', [0, 2, 1, 3])])], {
    perm: [0, 2, 1, 3],
  });
  const joined = n.op('Reshape', [mixed, n.ints(0, 0, channels)]);
  return linear(n, joined, w.at('o'), { inFeatures: channels, outFeatures: hiddenSize, bias: false });
}

function feedForward(n: NetworkBuilder, x: Value, w: WeightScope, config: T5Config): Value {
  const { hiddenSize, intermediateSize, activation, gated } = config;
  const widen = (name: string) =>
    linear(n, x, w.at(name), { inFeatures: hiddenSize, outFeatures: intermediateSize, bias: false });
  const inner = gated
    ? n.op('Mul', [activate(n, widen('wi_0'), activation), widen('wi_1')])
    : activate(n, widen('wi'), activation);
  return linear(n, inner, w.at('wo'), { inFeatures: intermediateSize, outFeatures: hiddenSize, bias: false });
}
