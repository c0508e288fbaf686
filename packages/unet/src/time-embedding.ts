// The embedding of the timestep, and what is added to it.
import { activate, layerNorm, linear, type NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';

export interface TimeEmbeddingShape {
  readonly inChannels: number;
  readonly channels: number;
  readonly activation: string;
}

/** Two linear layers on the timestep's features `[batch, inChannels]`: diffusers' TimestepEmbedding. */
export function timeEmbedding(
  n: NetworkBuilder,
  features: Value,
  w: WeightScope,
  shape: TimeEmbeddingShape,
): Value {
  const { inChannels, channels, activation } = shape;
  const h = linear(n, features, w.at('linear_1'), { inFeatures: inChannels, outFeatures: channels });
  const activated = activate(n, h, activation);
  return linear(n, activated, w.at('linear_2'), { inFeatures: channels, outFeatures: channels });
}

export interface TextTimeEmbeddingShape {
  readonly textChannels: number;
  readonly timeChannels: number;
  readonly heads: number;
}

/**
 * The text pooled into one vector by attention, to be added to the time embedding: diffusers' TextTimeEmbedding
 * (`addition_embed_type: "text"`).
 * @param text `[batch, sequence, textChannels]`
 */
export function textTimeEmbedding(
  n: NetworkBuilder,
  text: Value,
  w: WeightScope,
  shape: TextTimeEmbeddingShape,
): Value {
  const { textChannels, timeChannels, heads } = shape;
  const normalized = layerNorm(n, text, w.at('norm1'), textChannels);
  const pooled = attentionPooling(n, normalized, w.at('pool'), textChannels, heads);
  const projected = linear(n, pooled, w.at('proj'), { inFeatures: textChannels, outFeatures: timeChannels });
  return layerNorm(n, projected, w.at('norm2'), timeChannels);
}

/** The mean of the tokens attends to itself and the tokens: diffusers' AttentionPooling; gives `[batch, channels]`. */
function attentionPooling(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  channels: number,
  heads: number,
): Value {
  const mean = n.op('ReduceMean', [x, n.ints(1)], { keepdims: 1 });
  const classToken = n.op('Add', [mean, w.value(n, 'positional_embedding', [1, channels])]);
  const tokens = n.op('Concat', [classToken, x], { axis: 1 });
  const shape = { inFeatures: channels, outFeatures: channels };
  const width = channels / heads;
  const split = (h: Value, perm: readonly number[]) =>
    n.op('Transpose', [n.op('Reshape', [h, n.ints(0, 0, heads, width)])], { perm });
  const query = split(linear(n, classToken, w.at('q_proj'), shape), [0, 2, 1, 3]);
  const key = split(linear(n, tokens, w.at('k_proj'), shape), [0, 2, 3, 1]);
  const value = split(linear(n, tokens, w.at('v_proj'), shape), [0, 2, 1, 3]);
  const scores = n.op('Mul', [n.op('MatMul', [query, key]), n.scalar(1 / Math.sqrt(width))]);
  const mixed = n.op('MatMul', [n.op('Softmax', [scores], { axis: -1 }), value]);
  return n.op('Reshape', [mixed, n.ints(0, channels)]);
}
