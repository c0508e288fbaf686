// Self-attention among the pixels of a picture (Ho et al. 2020, section B), diffusers' Attention in U-Nets without text.
import type { Value } from '@emulsion/onnx';
import { attention } from './attention.ts';
import { linear } from './linear.ts';
import type { NetworkBuilder } from './network-builder.ts';
import { groupNorm } from './norms.ts';
import { pixelsToTokens, tokensToPixels } from './tokens.ts';
import type { WeightScope } from './weight-scope.ts';

export interface PixelAttentionShape {
  readonly channels: number;
  readonly heads: number;
  /** Groups of the normalization before it; `undefined` is none. */
  readonly groups: number | undefined;
  readonly epsilon: number;
  /** The sum with the input is divided by this; 1 unless said otherwise. */
  readonly outputScaleFactor?: number;
}

/** Names of the projections: today's, and those that checkpoints of 2022 have. */
const projections = {
  to_q: 'query',
  to_k: 'key',
  to_v: 'value',
  'to_out.0': 'proj_attn',
} as const;

/** `x` `[batch, channels, height, width]` and what its pixels make of each other. */
export function pixelAttention(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  { channels, heads, groups, epsilon, outputScaleFactor = 1 }: PixelAttentionShape,
): Value {
  const normalized =
    groups === undefined ? x : groupNorm(n, x, w.at('group_norm'), { channels, groups, epsilon });
  const tokens = pixelsToTokens(n, normalized, channels);
  const square = { inFeatures: channels, outFeatures: channels };
  const project = (from: Value, name: keyof typeof projections) =>
    linear(n, from, w.at(w.has(`${name}.weight`) ? name : projections[name]), square);
  const [query, key, value] = [project(tokens, 'to_q'), project(tokens, 'to_k'), project(tokens, 'to_v')];
  const mixed = attention(n, { query, key, value, channels, heads });
  const sum = n.op('Add', [tokensToPixels(n, project(mixed, 'to_out.0'), x), x]);
  return outputScaleFactor === 1 ? sum : n.op('Mul', [sum, n.scalar(1 / outputScaleFactor)]);
}
