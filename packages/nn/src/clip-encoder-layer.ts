// A layer of CLIP's encoders (Radford et al. 2021), of texts and of pictures: attention, then two linear layers.
import type { Value } from '@emulsion/onnx';
import { activate } from './activations.ts';
import { attention } from './attention.ts';
import { linear } from './linear.ts';
import type { NetworkBuilder } from './network-builder.ts';
import { layerNorm } from './norms.ts';
import type { WeightScope } from './weight-scope.ts';

export interface ClipEncoderLayerShape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly activation: string;
  readonly epsilon: number;
}

/**
 * transformers' CLIPEncoderLayer on `x` `[batch, sequence, hiddenSize]`.
 * @param mask added to the attention's scores, `[sequence, sequence]`
 */
export function clipEncoderLayer(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  { hiddenSize, intermediateSize, heads, activation, epsilon }: ClipEncoderLayerShape,
  mask?: Value,
): Value {
  const square = { inFeatures: hiddenSize, outFeatures: hiddenSize };
  const self = w.at('self_attn');
  const normalized = layerNorm(n, x, w.at('layer_norm1'), hiddenSize, epsilon);
  const project = (name: string) => linear(n, normalized, self.at(name), square);
  const [query, key, value] = [project('q_proj'), project('k_proj'), project('v_proj')];
  const mixed = attention(n, { query, key, value, channels: hiddenSize, heads, ...(mask && { mask }) });
  const attended = n.op('Add', [linear(n, mixed, self.at('out_proj'), square), x]);
  const h = layerNorm(n, attended, w.at('layer_norm2'), hiddenSize, epsilon);
  const inner = linear(n, h, w.at('mlp.fc1'), { inFeatures: hiddenSize, outFeatures: intermediateSize });
  const outer = { inFeatures: intermediateSize, outFeatures: hiddenSize };
  return n.op('Add', [linear(n, activate(n, inner, activation), w.at('mlp.fc2'), outer), attended]);
}
