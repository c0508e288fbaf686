// The config.json of diffusers' AutoencoderKL.
import { ConfigReader } from '@emulsion/nn';
import type { LatentSpace } from './latent-space.ts';

/** The autoencoder, as its config.json describes it. */
export interface VaeConfig extends LatentSpace {
  /** Channels of each resolution, the finest first. */
  readonly blockOutChannels: readonly number[];
  readonly layersPerBlock: number;
  readonly activation: string;
  readonly groups: number;
  readonly midBlockAttention: boolean;
  readonly quantConv: boolean;
  readonly postQuantConv: boolean;
}

/**
 * Reads a config.json.
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseVaeConfig(name: string, json: unknown): VaeConfig {
  const config = new ConfigReader(name, json);
  const blockOutChannels = config.numbers('block_out_channels');
  for (const [key, type] of [
    ['down_block_types', 'DownEncoderBlock2D'],
    ['up_block_types', 'UpDecoderBlock2D'],
  ] as const) {
    const types = config.strings(key);
    if (types.some((word) => word !== type)) config.fail(key, `${type} is supported.`);
    if (types.length !== blockOutChannels.length)
      config.fail(key, 'it has not as many blocks as "block_out_channels".');
  }
  config.refuseUnless('latents_mean', [null]);
  config.refuseUnless('latents_std', [null]);
  return {
    inChannels: config.number('in_channels', 3),
    outChannels: config.number('out_channels', 3),
    latentChannels: config.number('latent_channels', 4),
    blockOutChannels,
    layersPerBlock: config.number('layers_per_block', 1),
    activation: config.string('act_fn', 'silu'),
    groups: config.number('norm_num_groups', 32),
    midBlockAttention: config.boolean('mid_block_add_attention', true),
    quantConv: config.boolean('use_quant_conv', true),
    postQuantConv: config.boolean('use_post_quant_conv', true),
    scalingFactor: config.number('scaling_factor', 0.18215),
    shiftFactor: config.number('shift_factor', 0),
    scale: 2 ** (blockOutChannels.length - 1),
  };
}
