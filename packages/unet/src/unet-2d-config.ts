// The config.json of diffusers' UNet2DModel.
import { ConfigReader } from '@emulsion/nn';
import { type BlockConfig, blockTypes, parseClassEmbedding, type UnetEncoderConfig } from './unet-config.ts';
import type { UnetDecoderConfig } from './unet-decoder.ts';

const downBlockTypes = ['DownBlock2D', 'ResnetDownsampleBlock2D', 'AttnDownBlock2D'] as const;
const upBlockTypes = ['UpBlock2D', 'ResnetUpsampleBlock2D', 'AttnUpBlock2D'] as const;

/** A U-Net without text, as its config.json describes it. */
export interface Unet2dConfig extends UnetEncoderConfig, UnetDecoderConfig {
  readonly crossAttentionDim: undefined;
}

/** Keys that change the network, with the values under which it is the one that is written here. */
const supported: Readonly<Record<string, readonly unknown[]>> = {
  act_fn: [null, 'silu', 'swish'],
  center_input_sample: [null, false],
  mid_block_type: [null, 'UNetMidBlock2D'],
  time_embedding_type: [null, 'positional'],
};

/**
 * Reads a config.json.
 * @param name what messages call the network
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseUnet2dConfig(name: string, json: unknown): Unet2dConfig {
  const config = new ConfigReader(name, json);
  for (const [key, values] of Object.entries(supported)) config.refuseUnless(key, values);
  const channels = config.numbers('block_out_channels');
  const count = channels.length;
  const downTypes = blockTypes(config, 'down_block_types', downBlockTypes, count);
  const upTypes = blockTypes(config, 'up_block_types', upBlockTypes, count);
  const layers = config.number('layers_per_block', 2);
  const groups = config.number('norm_num_groups', 32);
  const timeScaleShift =
    config.oneOf('resnet_time_scale_shift', ['default', 'scale_shift'], 'default') === 'scale_shift';
  const resampling = (key: string) => config.oneOf(key, ['conv', 'resnet'], 'conv');
  const attentionKinds = { down: resampling('downsample_type'), up: resampling('upsample_type') };
  const block = (type: string, width: number, way: 'down' | 'up', added: number): BlockConfig => {
    const attends = type.startsWith('Attn');
    return {
      channels: width,
      layers: layers + added,
      attention: attends ? 'pixels' : 'none',
      heads: attends ? headsOf(config, width) : 1,
      attentionGroups: groups,
      transformerLayers: [],
      onlyCrossAttention: false,
      resampling: attends ? attentionKinds[way] : type.startsWith('Resnet') ? 'resnet' : 'conv',
    };
  };
  const middle = block(
    config.boolean('add_attention', true) ? 'AttnMidBlock2D' : '',
    channels.at(-1)!,
    'down',
    0,
  );
  return {
    inChannels: config.number('in_channels', 3),
    outChannels: config.number('out_channels', 3),
    sampleSize: config.optionalNumber('sample_size'),
    activation: 'silu',
    groups,
    epsilon: config.number('norm_eps', 1e-5),
    flipSinToCos: config.boolean('flip_sin_to_cos', true),
    frequencyShift: config.number('freq_shift', 0),
    timeChannels: config.number('time_embedding_dim', 4 * channels[0]!),
    timeScaleShift,
    timestepCondChannels: undefined,
    classEmbedding: parseClassEmbedding(config, ['timestep', 'identity']),
    addition: undefined,
    crossAttentionDim: undefined,
    encoderHiddenDim: undefined,
    downsamplePadding: config.number('downsample_padding', 1),
    midBlockScaleFactor: config.number('mid_block_scale_factor', 1),
    downBlocks: downTypes.map((type, i) => block(type, channels[i]!, 'down', 0)),
    upBlocks: upTypes.map((type, i) => block(type, channels[count - 1 - i]!, 'up', 1)),
    midBlock: config.isNull('mid_block_type')
      ? undefined
      : {
          ...middle,
          layers: 1,
          // diffusers leaves the norm out where time scales and shifts, unless its groups are given.
          attentionGroups:
            config.optionalNumber('attn_norm_num_groups') ?? (timeScaleShift ? undefined : groups),
        },
  };
}

/** Heads of attention among so many channels: "attention_head_dim" is the width of each, null one head in all. */
function headsOf(config: ConfigReader, channels: number): number {
  const width = config.isNull('attention_head_dim') ? channels : config.number('attention_head_dim', 8);
  const heads = Math.floor(channels / width);
  if (heads * width !== channels)
    config.fail('attention_head_dim', `${channels} channels do not divide into heads of ${width}.`);
  return heads;
}
