// The attention that may follow a residual block.
import type { WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import type { Network } from './network.ts';
import { transformer2d } from './transformer-2d.ts';
import type { BlockConfig } from './unet-config.ts';

/** What follows residual block number `layer` of a block, which may be nothing. */
export function blockAttention(
  { n, config, encoderHiddenStates }: Network,
  x: Value,
  w: WeightScope,
  block: BlockConfig,
  layer: number,
): Value {
  if (block.attention === 'none') return x;
  const { groups, crossAttentionDim, linearProjection } = config;
  const { channels, heads, transformerLayers, onlyCrossAttention } = block;
  const shape = { channels, heads, groups, crossAttentionDim, linearProjection, onlyCrossAttention };
  const layers = transformerLayers[layer]!; // one for each layer, by construction
  return transformer2d(n, x, encoderHiddenStates, w.at(`attentions.${layer}`), { ...shape, layers });
}
