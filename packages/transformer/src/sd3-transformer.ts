// The transformer of Stable Diffusion 3 (Esser et al. 2024, "Scaling rectified flow transformers for high-resolution image
// synthesis"), diffusers' SD3Transformer2DModel, as a graph.
import {
  type AdapterSlots,
  conv2d,
  linear,
  NetworkBuilder,
  pixelsToTokens,
  type WeightScope,
} from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { conditionEmbedding, numberFeatures } from './conditions.ts';
import { jointBlock, type Streams } from './joint-block.ts';
import { Modulation } from './modulation.ts';
import type { Sd3TransformerConfig } from './sd3-config.ts';

/**
 * Writes the graph.
 *
 * Inputs, all float32: `sample` `[batch, inChannels, height, width]`, `timestep_features` `[batch, 256]`,
 * `encoder_hidden_states` `[batch, sequence, textFeatures]`, `pooled_text_embeds` `[batch, pooledFeatures]`. Output:
 * `model_output` `[batch, outChannels, height, width]`.
 * @param slots where adapters may enter, nowhere unless given; their inputs are `slotInputs` of @emulsion/nn
 * @throws {WeightError} if the weights do not match the configuration
 */
export function sd3Transformer(
  name: string,
  config: Sd3TransformerConfig,
  w: WeightScope,
  dialect: Dialect,
  slots?: AdapterSlots,
): Model {
  const { inChannels, outChannels, patchSize, layers, heads, features, qkNorm } = config;
  const { textFeatures, pooledFeatures, dualAttentionLayers } = config;
  const n = new NetworkBuilder(name, dialect, slots);
  const sample = n.input('sample', 'float32', ['batch', inChannels, 'height', 'width']);
  const time = n.input('timestep_features', 'float32', ['batch', numberFeatures]);
  const text = n.input('encoder_hidden_states', 'float32', ['batch', 'sequence', textFeatures]);
  const pooled = n.input('pooled_text_embeds', 'float32', ['batch', pooledFeatures]);

  const embed = (x: Value, layer: string, inFeatures: number) =>
    conditionEmbedding(n, x, w.at(`time_text_embed.${layer}`), inFeatures, features);
  const conditions = n.op('Add', [
    embed(time, 'timestep_embedder', numberFeatures),
    embed(pooled, 'text_embedder', pooledFeatures),
  ]);
  const modulation = new Modulation(n, conditions, features);

  const patch = { inChannels, outChannels: features, kernel: patchSize, stride: patchSize, padding: 0 };
  const patches = conv2d(n, sample, w.at('pos_embed.proj'), patch);
  const placed = n.op('Add', [pixelsToTokens(n, patches, features), positions(n, patches, w, config)]);
  const context = linear(n, text, w.at('context_embedder'), {
    inFeatures: textFeatures,
    outFeatures: features,
  });
  let streams: Streams = { sample: placed, context };
  for (let i = 0; i < layers; i++) {
    streams = jointBlock(n, streams, w.at(`transformer_blocks.${i}`), modulation, {
      features,
      heads,
      qkNorm,
      first: 'sample',
      contextEnds: i === layers - 1,
      dualAttention: dualAttentionLayers.includes(i),
    });
  }
  const outFeatures = patchSize ** 2 * outChannels;
  const out = linear(n, modulation.continuous(streams.sample, w.at('norm_out')), w.at('proj_out'), {
    inFeatures: features,
    outFeatures,
  });
  // Each token is a patch of rows of columns of channels.
  const [batch, space] = [
    n.op('Shape', [patches], { start: 0, end: 1 }),
    n.op('Shape', [patches], { start: 2, end: 4 }),
  ];
  const depth = n.op('Reshape', [
    n.op('Transpose', [out], { perm: [0, 2, 1] }),
    n.op('Concat', [batch, n.ints(outFeatures), space], { axis: 0 }),
  ]);
  n.output('model_output', n.op('DepthToSpace', [depth], { blocksize: patchSize, mode: 'DCR' }));
  return n.build();
}

/** The positions of the patches, cut from the middle of the stored table: `[1, patches, features]`. */
function positions(n: NetworkBuilder, patches: Value, w: WeightScope, config: Sd3TransformerConfig): Value {
  const { positions: side, features } = config;
  const stored = w.value(n, 'pos_embed.pos_embed', [1, side * side, features], patches);
  const table = n.op('Reshape', [stored, n.ints(side, side, features)]);
  const size = n.op('Shape', [patches], { start: 2, end: 4 });
  const start = n.op('Div', [n.op('Sub', [n.ints(side, side), size]), n.ints(2, 2)]);
  const middle = n.op('Slice', [table, start, n.op('Add', [start, size]), n.ints(0, 1)]);
  return n.op('Reshape', [middle, n.ints(1, -1, features)]);
}
