// Spatial transformer (Rombach et al. 2022, appendix E.2.1): the pixels attend to each other, then to the text.
import {
  attention,
  type ChangeContext,
  groupNorm,
  layerNorm,
  linear,
  type NetworkBuilder,
  pixelsToTokens,
  tokensToPixels,
  type WeightScope,
} from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import type { AttendPictures } from './image-prompts.ts';

export interface Transformer2dShape {
  readonly channels: number;
  readonly heads: number;
  readonly layers: number;
  readonly groups: number;
  readonly crossAttentionDim: number;
  /** Whether the pixels attend to the text twice, and not to each other. */
  readonly onlyCrossAttention: boolean;
  /** What is added to what layers make of the text, if pictures are attended to. */
  readonly attendPictures?: AttendPictures | undefined;
  /** What keys and values are made of instead of the context itself, if adapters change it. */
  readonly changeContext?: ChangeContext | undefined;
}

/** diffusers' Transformer2DModel on `x` `[batch, channels, height, width]`. */
export function transformer2d(
  n: NetworkBuilder,
  x: Value,
  encoderHiddenStates: Value,
  w: WeightScope,
  shape: Transformer2dShape,
): Value {
  const { channels, layers, groups } = shape;
  const h = groupNorm(n, x, w.at('norm'), { channels, groups, epsilon: 1e-6 });
  const square = { inFeatures: channels, outFeatures: channels };
  // 1×1 convolutions are linear layers on the pixels too.
  let tokens = linear(n, pixelsToTokens(n, h, channels), w.at('proj_in'), square);
  for (let i = 0; i < layers; i++) {
    tokens = transformerBlock(n, tokens, encoderHiddenStates, w.at(`transformer_blocks.${i}`), shape);
  }
  const out = tokensToPixels(n, linear(n, tokens, w.at('proj_out'), square), x);
  return n.op('Add', [out, x]);
}

function transformerBlock(
  n: NetworkBuilder,
  x: Value,
  encoderHiddenStates: Value,
  w: WeightScope,
  {
    channels,
    heads,
    crossAttentionDim,
    onlyCrossAttention,
    attendPictures,
    changeContext,
  }: Transformer2dShape,
): Value {
  const normalized = (h: Value, norm: string) => layerNorm(n, h, w.at(norm), channels);
  const attendPixels = (h: Value, layer: string) =>
    crossAttention(n, h, h, w.at(layer), {
      channels,
      contextChannels: channels,
      heads,
      changeContext,
    });
  const attendText = (h: Value, layer: string) =>
    crossAttention(n, h, encoderHiddenStates, w.at(layer), {
      channels,
      contextChannels: crossAttentionDim,
      heads,
      attendPictures,
      changeContext,
    });
  const attendFirst = onlyCrossAttention ? attendText : attendPixels;
  let h = n.op('Add', [attendFirst(normalized(x, 'norm1'), 'attn1'), x]);
  h = n.op('Add', [attendText(normalized(h, 'norm2'), 'attn2'), h]);
  return n.op('Add', [feedForward(n, normalized(h, 'norm3'), w.at('ff'), channels), h]);
}

interface CrossAttentionShape {
  readonly channels: number;
  readonly contextChannels: number;
  readonly heads: number;
  readonly attendPictures?: AttendPictures | undefined;
  readonly changeContext?: ChangeContext | undefined;
}

/** Attention of `x` to `context`, which is `x` itself in self-attention. */
function crossAttention(
  n: NetworkBuilder,
  x: Value,
  context: Value,
  w: WeightScope,
  shape: CrossAttentionShape,
): Value {
  const { channels, contextChannels, heads, attendPictures = (mixed) => mixed } = shape;
  const project = (from: Value, name: string, inFeatures: number) =>
    linear(n, from, w.at(name), { inFeatures, outFeatures: channels, bias: false });
  const query = project(x, 'to_q', channels);
  const { key, value } = shape.changeContext?.(context, contextChannels) ?? { key: context, value: context };
  const mixed = attention(n, {
    query,
    key: project(key, 'to_k', contextChannels),
    value: project(value, 'to_v', contextChannels),
    channels,
    heads,
  });
  return linear(n, attendPictures(mixed, query, w.path, { channels, heads }), w.at('to_out.0'), {
    inFeatures: channels,
    outFeatures: channels,
  });
}

/** GEGLU (Shazeer 2020), then a linear layer. The two halves of the projection are rows of one weight. */
function feedForward(n: NetworkBuilder, x: Value, w: WeightScope, channels: number): Value {
  const inner = 4 * channels;
  const projection = { inFeatures: channels, outFeatures: 2 * inner };
  const hidden = linear(n, x, w.at('net.0.proj'), { ...projection, rows: [0, inner] });
  const gate = linear(n, x, w.at('net.0.proj'), { ...projection, rows: [inner, 2 * inner] });
  const gated = n.op('Mul', [hidden, n.op('Gelu', [gate])]);
  return linear(n, gated, w.at('net.2'), { inFeatures: inner, outFeatures: channels });
}
