// What a diffusion transformer is told beside the text's tokens: the time, the pooled text, the strength of guidance.
import { activate, linear, type NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';

/** Features of one number, which `timestepFeatures` gives. */
export const numberFeatures = 256;

/** The options of `timestepFeatures` for the inputs of the graphs. */
export const featureOptions = { channels: numberFeatures, flipSinToCos: true, frequencyShift: 0 } as const;

/**
 * Linear, SiLU, linear: `[batch, inFeatures]` to `[batch, features]`. diffusers' TimestepEmbedding and
 * PixArtAlphaTextProjection.
 */
export function conditionEmbedding(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  inFeatures: number,
  features: number,
): Value {
  const inner = linear(n, x, w.at('linear_1'), { inFeatures, outFeatures: features });
  const outer = { inFeatures: features, outFeatures: features };
  return linear(n, activate(n, inner, 'silu'), w.at('linear_2'), outer);
}
