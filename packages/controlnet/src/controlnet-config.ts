// The config.json of diffusers' ControlNetModel.
import { ConfigReader } from '@emulsion/nn';
import { parseUnetEncoderConfig, type UnetEncoderConfig } from '@emulsion/unet';

/** A ControlNet, as its config.json describes it. */
export interface ControlNetConfig extends UnetEncoderConfig {
  /** Channels of the picture that is followed, 3 for colours. */
  readonly conditioningChannels: number;
  /** Channels of the layers that make features of that picture; each after the first halves its size. */
  readonly conditioningEmbeddingChannels: readonly number[];
  /** The order that it was trained with; pictures come as RGB. */
  readonly channelOrder: 'rgb' | 'bgr';
  /** Whether each residual is one number for each channel, the mean over the picture. */
  readonly globalPoolConditions: boolean;
}

/**
 * Reads a config.json.
 * @param name what messages call the network
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseControlNetConfig(name: string, json: unknown): ControlNetConfig {
  const config = new ConfigReader(name, json);
  const channelsKey = 'conditioning_embedding_out_channels';
  const channels = config.raw(channelsKey) === undefined ? [16, 32, 96, 256] : config.numbers(channelsKey);
  if (channels.length === 0) config.fail(channelsKey, 'at least one number is wanted.');
  return {
    ...parseUnetEncoderConfig(name, json),
    conditioningChannels: config.number('conditioning_channels', 3),
    conditioningEmbeddingChannels: channels,
    channelOrder: config.oneOf('controlnet_conditioning_channel_order', ['rgb', 'bgr'], 'rgb'),
    globalPoolConditions: config.boolean('global_pool_conditions', false),
  };
}
