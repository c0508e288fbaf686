// CLIP's encoder of pictures (Radford et al. 2021), transformers' CLIPVisionModelWithProjection, as a graph.
import { clipEncoderLayer, conv2d, layerNorm, linear, NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import type { ClipVisionConfig } from './clip-vision-config.ts';

/**
 * Writes the graph.
 *
 * Input, float32: `pixel_values` `[batch, channels, imageSize, imageSize]`, normalized as `clipPixels` does. Outputs:
 * `image_embeds` `[batch, projectionDim]`; `hidden_state` `[batch, 1 + patches, hiddenSize]`, what the last layer but
 * one gives, the class token first.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function clipVisionModel(
  name: string,
  config: ClipVisionConfig,
  weights: WeightScope,
  dialect: Dialect,
): Model {
  const { channels, imageSize, hiddenSize, layers, epsilon, projectionDim } = config;
  const n = new NetworkBuilder(name, dialect);
  const pixels = n.input('pixel_values', 'float32', ['batch', channels, imageSize, imageSize]);
  const w = weights.at('vision_model');
  const embedded = embeddings(n, pixels, w.at('embeddings'), config);
  // It is spelt so.
  let x = layerNorm(n, embedded, w.at('pre_layrnorm'), hiddenSize, epsilon);
  let lastButOne = x;
  for (let i = 0; i < layers; i++) {
    lastButOne = x;
    x = clipEncoderLayer(n, x, w.at(`encoder.layers.${i}`), config);
  }
  n.output('hidden_state', lastButOne);
  const classToken = n.op('Gather', [x, n.ints(0)], { axis: 1 });
  const pooled = layerNorm(
    n,
    n.op('Reshape', [classToken, n.ints(-1, hiddenSize)]),
    w.at('post_layernorm'),
    hiddenSize,
    epsilon,
  );
  const projection = { inFeatures: hiddenSize, outFeatures: projectionDim, bias: false };
  n.output('image_embeds', linear(n, pooled, weights.at('visual_projection'), projection));
  return n.build();
}

/** The patches of a picture as tokens behind a class token, each with its place. */
function embeddings(
  n: NetworkBuilder,
  pixels: Value,
  w: WeightScope,
  { channels, imageSize, patchSize, hiddenSize }: ClipVisionConfig,
): Value {
  const patches = conv2d(n, pixels, w.at('patch_embedding'), {
    inChannels: channels,
    outChannels: hiddenSize,
    kernel: patchSize,
    stride: patchSize,
    padding: 0,
    bias: false,
  });
  const flat = n.op('Reshape', [patches, n.ints(0, hiddenSize, -1)]);
  const tokens = n.op('Transpose', [flat], { perm: [0, 2, 1] });
  const batch = n.op('Shape', [pixels], { start: 0, end: 1 });
  const classToken = n.op('Expand', [
    w.value(n, 'class_embedding', [1, 1, hiddenSize]),
    n.op('Concat', [batch, n.ints(1, hiddenSize)], { axis: 0 }),
  ]);
  const places = Math.floor(imageSize / patchSize) ** 2 + 1;
  const positions = w.value(n, 'position_embedding.weight', [places, hiddenSize]);
  return n.op('Add', [n.op('Concat', [classToken, tokens], { axis: 1 }), positions]);
}
