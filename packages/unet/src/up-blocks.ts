// The way up of a U-Net: residual blocks that take in what the way down left, enlarged between resolutions.
import { conv2d, enlargeTo, enlargingConv2d, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import { blockAttention } from './block-attention.ts';
import { type Network, resnet, type Skip } from './network.ts';
import type { BlockConfig } from './unet-config.ts';

/**
 * Heights and widths that a graph takes: `halvable` ones can be halved for each level of the U-Net without a rest, and
 * are enlarged again with less work.
 */
export type Sizes = 'halvable' | 'any';

/**
 * All up blocks.
 * @param input from the middle, with the channels of the last down block
 * @param skips one for each layer, all of which are taken
 * @returns `[batch, channels of the last up block, height, width]`
 */
export function upBlocks(
  network: Network,
  input: Value,
  skips: Skip[],
  w: WeightScope,
  blocks: readonly BlockConfig[],
  sizes: Sizes,
): Value {
  const { n, config } = network;
  let x = input;
  let inChannels = config.downBlocks.at(-1)!.channels;
  for (const [i, block] of blocks.entries()) {
    const scope = w.at(`up_blocks.${i}`);
    const { channels } = block;
    const level = blocks.length - 1 - i;
    for (let layer = 0; layer < block.layers; layer++) {
      const skip = skips.pop()!; // one for each layer, by construction
      x = n.op('Concat', [x, skip.value], { axis: 1 });
      const shape = { inChannels: inChannels + skip.channels, outChannels: channels, level };
      x = resnet(network, x, scope.at(`resnets.${layer}`), shape);
      x = blockAttention(network, x, scope, block, layer);
      inChannels = channels;
    }
    if (level > 0) {
      const like = sizes === 'any' ? skips.at(-1)!.value : undefined;
      x = enlarge(network, x, scope, block, level - 1, like);
    }
  }
  return x;
}

/** The input at twice its size, or the size of `like`, now halved `level` times. */
function enlarge(
  network: Network,
  x: Value,
  w: WeightScope,
  { channels, resampling }: BlockConfig,
  level: number,
  like: Value | undefined,
): Value {
  const { n } = network;
  const same = { inChannels: channels, outChannels: channels };
  if (resampling === 'resnet') {
    const enlarging = like ? { like } : 'enlarge';
    return resnet(network, x, w.at('upsamplers.0'), { ...same, level, resampling: enlarging });
  }
  const conv = w.at('upsamplers.0.conv');
  return like
    ? conv2d(n, enlargeTo(n, x, like), conv, { ...same, kernel: 3 })
    : enlargingConv2d(n, x, conv, same);
}
