// The way down of a U-Net: residual blocks with attention, halved between resolutions.
import { conv2d, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import { blockAttention } from './block-attention.ts';
import { addsBeforeHalving } from './intrablock-features.ts';
import { isSmall, type Network, resnet, type Skip } from './network.ts';
import type { BlockConfig } from './unet-config.ts';

/**
 * All down blocks.
 * @param input `[batch, channels of the first block, height, width]`
 * @param skips to which the output of each layer and each halving is added
 * @returns `[batch, channels of the last block, …]`, halved once less than there are blocks
 */
export function downBlocks(network: Network, input: Value, skips: Skip[], w: WeightScope): Value {
  const { config, addFeatures = (features: Value) => features } = network;
  let x = input;
  let inChannels = config.downBlocks[0]!.channels;
  for (const [level, block] of config.downBlocks.entries()) {
    const scope = w.at(`down_blocks.${level}`);
    const { channels } = block;
    for (let layer = 0; layer < block.layers; layer++) {
      const shape = { inChannels, outChannels: channels, level };
      x = resnet(network, x, scope.at(`resnets.${layer}`), shape);
      x = blockAttention(network, x, scope, block, layer);
      if (layer === block.layers - 1 && addsBeforeHalving(config, level)) x = addFeatures(x, level);
      skips.push({ value: x, channels });
      inChannels = channels;
    }
    if (level < config.downBlocks.length - 1) {
      x = halve(network, x, scope, block, level + 1);
      if (!addsBeforeHalving(config, level)) x = addFeatures(x, level);
      skips.push({ value: x, channels });
    }
  }
  return x;
}

/** The input at half its size, now halved `level` times. */
function halve(
  network: Network,
  x: Value,
  w: WeightScope,
  { channels, resampling }: BlockConfig,
  level: number,
): Value {
  const same = { inChannels: channels, outChannels: channels };
  if (resampling === 'resnet')
    return resnet(network, x, w.at('downsamplers.0'), { ...same, level, resampling: 'halve' });
  const { downsamplePadding } = network.config;
  return conv2d(network.n, x, w.at('downsamplers.0.conv'), {
    ...same,
    kernel: 3,
    stride: 2,
    // Without padding, diffusers adds a row below and a column on the right.
    padding: downsamplePadding === 0 ? [0, 0, 1, 1] : downsamplePadding,
    small: isSmall(level),
  });
}
