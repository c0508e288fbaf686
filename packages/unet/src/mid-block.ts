// The middle of a U-Net: residual blocks with attention between them, at the smallest size.
import type { WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import { blockAttention } from './block-attention.ts';
import { type Network, resnet } from './network.ts';
import type { BlockConfig } from './unet-config.ts';

/** The middle block on `x` `[batch, block.channels, …]`. */
export function midBlock(network: Network, input: Value, w: WeightScope, block: BlockConfig): Value {
  const { channels, layers } = block;
  const { midBlockScaleFactor } = network.config;
  const shape = {
    inChannels: channels,
    outChannels: channels,
    level: network.config.downBlocks.length - 1,
    outputScaleFactor: midBlockScaleFactor,
  };
  let x = resnet(network, input, w.at('resnets.0'), shape);
  for (let layer = 0; layer < layers; layer++) {
    x = blockAttention(network, x, w, block, layer, midBlockScaleFactor);
    x = resnet(network, x, w.at(`resnets.${layer + 1}`), shape);
  }
  return x;
}
