// The attention that may follow a residual block.
import { pixelAttention, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import type { Network } from './network.ts';
import { transformer2d } from './transformer-2d.ts';
import type { BlockConfig } from './unet-config.ts';

/**
 * What follows residual block number `layer` of a block, which may be nothing.
 * @param outputScaleFactor what attention among pixels divides its sum by, as the residual blocks beside it do
 */
export function blockAttention(
  { n, config, encoderHiddenStates, attendPictures, changeContext }: Network,
  x: Value,
  w: WeightScope,
  block: BlockConfig,
  layer: number,
  outputScaleFactor = 1,
): Value {
  const { channels, heads, attentionGroups: groups, transformerLayers, onlyCrossAttention } = block;
  const scope = w.at(`attentions.${layer}`);
  switch (block.attention) {
    case 'none':
      return x;
    case 'pixels':
      return pixelAttention(n, x, scope, {
        channels,
        heads,
        groups,
        epsilon: config.epsilon,
        outputScaleFactor,
      });
    case 'text': {
      const { crossAttentionDim } = config;
      const shape = { channels, heads, onlyCrossAttention, attendPictures, changeContext };
      // Configurations with such blocks have a text, groups, and layers for each residual block.
      return transformer2d(n, x, encoderHiddenStates!, scope, {
        ...shape,
        crossAttentionDim: crossAttentionDim!,
        groups: groups!,
        layers: transformerLayers[layer]!,
      });
    }
  }
}
