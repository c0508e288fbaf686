// The embedding of the timestep, and what is added to it.
import { activate, layerNorm, linear, type NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import type { ClassEmbedding, UnetEncoderConfig } from './unet-config.ts';

/**
 * The timestep, and what the configuration adds to it: a class label, a pooled text, numbers such as sizes. Writes the
 * inputs for them.
 * @param timestep the timestep's features, `[batch, channels of the first block]`
 * @param text as it comes, `[batch, sequence, …]`, if there is one
 * @returns `[batch, timeChannels]`
 */
export function conditionEmbedding(
  n: NetworkBuilder,
  timestep: Value,
  text: Value | undefined,
  w: WeightScope,
  config: UnetEncoderConfig,
): Value {
  const { activation, timeChannels, timestepCondChannels, classEmbedding, addition } = config;
  const inChannels = config.downBlocks[0]!.channels;
  const features =
    timestepCondChannels === undefined
      ? timestep
      : addTimestepCond(n, timestep, w.at('time_embedding.cond_proj'), timestepCondChannels, inChannels);
  const shape = { inChannels, channels: timeChannels, activation };
  let time = timeEmbedding(n, features, w.at('time_embedding'), shape);
  if (classEmbedding) {
    const label = classLabelEmbedding(n, w.at('class_embedding'), classEmbedding, shape);
    time = n.op('Add', [time, label]);
  }
  if (addition?.kind === 'text' && text) {
    const textChannels = config.encoderHiddenDim ?? config.crossAttentionDim!; // one of them, where there is a text
    const pooling = { textChannels, timeChannels, heads: addition.heads };
    time = n.op('Add', [time, textTimeEmbedding(n, text, w.at('add_embedding'), pooling)]);
  } else if (addition?.kind === 'text_time') {
    const added = n.input('added_conditions', 'float32', ['batch', addition.channels]);
    const projection = { inChannels: addition.channels, channels: timeChannels, activation: 'silu' };
    time = n.op('Add', [time, timeEmbedding(n, added, w.at('add_embedding'), projection)]);
  }
  return time;
}

/** A linear image of a condition, added to the timestep's features (Luo et al. 2023, LCM). */
function addTimestepCond(
  n: NetworkBuilder,
  timestep: Value,
  w: WeightScope,
  inFeatures: number,
  outFeatures: number,
): Value {
  const condition = n.input('timestep_cond', 'float32', ['batch', inFeatures]);
  return n.op('Add', [timestep, linear(n, condition, w, { inFeatures, outFeatures, bias: false })]);
}

function classLabelEmbedding(
  n: NetworkBuilder,
  w: WeightScope,
  embedding: ClassEmbedding,
  time: TimeEmbeddingShape,
): Value {
  if (embedding.kind === 'table') {
    const table = w.value(n, 'weight', [embedding.classes, time.channels]);
    return n.op('Gather', [table, n.input('class_labels', 'int32', ['batch'])], { axis: 0 });
  }
  const inChannels = embedding.kind === 'timestep' ? time.inChannels : embedding.channels;
  const label = n.input('class_labels', 'float32', ['batch', inChannels]);
  switch (embedding.kind) {
    case 'identity':
      return label;
    case 'simple_projection':
      return linear(n, label, w, { inFeatures: inChannels, outFeatures: time.channels });
    case 'projection':
      return timeEmbedding(n, label, w, { inChannels, channels: time.channels, activation: 'silu' });
    case 'timestep':
      return timeEmbedding(n, label, w, time);
  }
}

interface TimeEmbeddingShape {
  readonly inChannels: number;
  readonly channels: number;
  readonly activation: string;
}

/** Two linear layers on the timestep's features `[batch, inChannels]`: diffusers' TimestepEmbedding. */
function timeEmbedding(n: NetworkBuilder, features: Value, w: WeightScope, shape: TimeEmbeddingShape): Value {
  const { inChannels, channels, activation } = shape;
  const h = linear(n, features, w.at('linear_1'), { inFeatures: inChannels, outFeatures: channels });
  const activated = activate(n, h, activation);
  return linear(n, activated, w.at('linear_2'), { inFeatures: channels, outFeatures: channels });
}

interface TextTimeEmbeddingShape {
  readonly textChannels: number;
  readonly timeChannels: number;
  readonly heads: number;
}

/**
 * The text pooled into one vector by attention, to be added to the time embedding: diffusers' TextTimeEmbedding
 * (`addition_embed_type: "text"`).
 * @param text `[batch, sequence, textChannels]`
 */
function textTimeEmbedding(
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
