// The config.json of diffusers' AutoencoderTiny.
import { ConfigReader } from '@emulsion/nn';
import type { LatentSpace } from './latent-space.ts';

/** The tiny autoencoder, as its config.json describes it. */
export interface TinyVaeConfig extends LatentSpace {
  /** Channels of all resolutions. */
  readonly channels: number;
  /** Blocks of each resolution, the finest first. */
  readonly encoderBlocks: readonly number[];
  /** Blocks of each resolution, the coarsest first. */
  readonly decoderBlocks: readonly number[];
  readonly activation: string;
}

/**
 * Reads a config.json.
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseTinyVaeConfig(name: string, json: unknown): TinyVaeConfig {
  const config = new ConfigReader(name, json);
  config.refuseUnless('upsample_fn', [null, 'nearest']);
  config.refuseUnless('upsampling_scaling_factor', [null, 2]);
  const channels = config.numbers('encoder_block_out_channels');
  const [width = 0] = channels;
  for (const key of ['encoder_block_out_channels', 'decoder_block_out_channels']) {
    const list = config.numbers(key);
    if (list.length === 0 || list.length !== channels.length || list.some((other) => other !== width))
      config.fail(key, 'as many blocks in encoder and decoder, all of one width, are supported.');
  }
  return {
    inChannels: config.number('in_channels', 3),
    outChannels: config.number('out_channels', 3),
    latentChannels: config.number('latent_channels', 4),
    channels: width,
    encoderBlocks: config.perBlock('num_encoder_blocks', channels.length),
    decoderBlocks: config.perBlock('num_decoder_blocks', channels.length),
    activation: config.string('act_fn', 'relu'),
    scalingFactor: config.number('scaling_factor', 1),
    shiftFactor: config.number('shift_factor', 0),
    scale: 2 ** (channels.length - 1),
  };
}
