// A U-Net from its middle to its output.
import { activate, conv2d, groupNorm, type WeightScope } from '@emulsion/nn';
import type { BlockConfig } from './unet-config.ts';
import type { UnetEncoder } from './unet-encoder.ts';
import { type Sizes, upBlocks } from './up-blocks.ts';

export interface UnetDecoderConfig {
  readonly outChannels: number;
  readonly upBlocks: readonly BlockConfig[];
}

/**
 * Writes the way up and the output `model_output` `[batch, outChannels, height, width]`.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function unetDecoder(
  { network, skips, middle }: UnetEncoder,
  w: WeightScope,
  config: UnetDecoderConfig,
  sizes: Sizes,
): void {
  const { n } = network;
  const { groups, epsilon, activation } = network.config;
  const { channels } = config.upBlocks.at(-1)!;
  let x = upBlocks(network, middle, skips, w, config.upBlocks, sizes);
  x = groupNorm(n, x, w.at('conv_norm_out'), { channels, groups, epsilon });
  x = activate(n, x, activation);
  const shape = { inChannels: channels, outChannels: config.outChannels, kernel: 3 };
  n.output('model_output', conv2d(n, x, w.at('conv_out'), shape));
}
