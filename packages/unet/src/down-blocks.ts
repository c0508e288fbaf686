// The way down of a U-Net: residual blocks with attention, halved between resolutions.
import { conv2d, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import { blockAttention } from './block-attention.ts';
import { isSmall, type Network, resnet, type Skip } from './network.ts';

/**
 * All down blocks.
 * @param input `[batch, channels of the first block, height, width]`
 * @param skips to which the output of each layer and each halving is added
 * @returns `[batch, channels of the last block, …]`, halved once less than there are blocks
 */
export function downBlocks(network: Network, input: Value, skips: Skip[], w: WeightScope): Value {
  const { n, config } = network;
  let x = input;
  let inChannels = config.downBlocks[0]!.channels;
  for (const [level, block] of config.downBlocks.entries()) {
    const scope = w.at(`down_blocks.${level}`);
    const { channels } = block;
    for (let layer = 0; layer < block.layers; layer++) {
      const shape = { inChannels, outChannels: channels, level };
      x = resnet(network, x, scope.at(`resnets.${layer}`), shape);
      x = blockAttention(network, x, scope, block, layer);
      skips.push({ value: x, channels });
      inChannels = channels;
    }
    if (level < config.downBlocks.length - 1) {
      const halving = {
        inChannels: channels,
        outChannels: channels,
        kernel: 3,
        stride: 2,
        padding: config.downsamplePadding,
        small: isSmall(level + 1),
      };
      x = conv2d(n, x, scope.at('downsamplers.0.conv'), halving);
      skips.push({ value: x, channels });
    }
  }
  return x;
}
