// The config.json of diffusers' UNet2DConditionModel.
import { ConfigReader } from '@emulsion/nn';

export const downBlockTypes = ['DownBlock2D', 'CrossAttnDownBlock2D'] as const;
export const upBlockTypes = ['UpBlock2D', 'CrossAttnUpBlock2D'] as const;
export const midBlockTypes = ['UNetMidBlock2DCrossAttn'] as const;

/** One resolution of the U-Net. */
export interface BlockConfig<Type extends string> {
  readonly type: Type;
  readonly channels: number;
  readonly layers: number;
  readonly heads: number;
  readonly transformerLayers: number;
}

/** The U-Net of Stable Diffusion and its relatives, as its config.json describes it. */
export interface UnetConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the latents it was trained on, `undefined` if it does not say. */
  readonly sampleSize: number | undefined;
  readonly activation: string;
  readonly crossAttentionDim: number;
  readonly groups: number;
  readonly epsilon: number;
  readonly flipSinToCos: boolean;
  readonly frequencyShift: number;
  readonly downsamplePadding: number;
  readonly linearProjection: boolean;
  readonly midBlockScaleFactor: number;
  /** Heads of the attention that pools the text into the time embedding, if there is such a one. */
  readonly textPoolingHeads: number | undefined;
  readonly downBlocks: readonly BlockConfig<(typeof downBlockTypes)[number]>[];
  readonly upBlocks: readonly BlockConfig<(typeof upBlockTypes)[number]>[];
  readonly midBlock: Omit<BlockConfig<(typeof midBlockTypes)[number]>, 'layers'>;
}

/** Keys that change the network, with the values under which it is the one that is written here. */
const supported: Readonly<Record<string, readonly unknown[]>> = {
  attention_type: [null, 'default'],
  center_input_sample: [null, false],
  class_embed_type: [null],
  class_embeddings_concat: [null, false],
  conv_in_kernel: [null, 3],
  conv_out_kernel: [null, 3],
  cross_attention_norm: [null],
  dual_cross_attention: [null, false],
  encoder_hid_dim: [null],
  encoder_hid_dim_type: [null],
  mid_block_only_cross_attention: [null, false],
  num_class_embeds: [null],
  resnet_out_scale_factor: [null, 1],
  resnet_skip_time_act: [null, false],
  resnet_time_scale_shift: [null, 'default'],
  reverse_transformer_layers_per_block: [null],
  time_cond_proj_dim: [null],
  time_embedding_act_fn: [null],
  time_embedding_dim: [null],
  time_embedding_type: [null, 'positional'],
  timestep_post_act: [null],
};

/**
 * Reads a config.json.
 * @param name what messages call the network
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseUnetConfig(name: string, json: unknown): UnetConfig {
  const config = new ConfigReader(name, json);
  for (const [key, values] of Object.entries(supported)) config.refuseUnless(key, values);
  const onlyCross = config.raw('only_cross_attention') ?? false;
  if (onlyCross !== false) config.fail('only_cross_attention', 'false is supported.');
  const channels = config.numbers('block_out_channels');
  const count = channels.length;
  const types = <Type extends string>(key: string, known: readonly Type[]): Type[] => {
    const given = config.strings(key);
    if (given.length !== count) config.fail(key, `one type for each of ${count} blocks is wanted.`);
    return given.map(
      (type) => known.find((word) => word === type) ?? config.fail(key, `${known.join(', ')} are supported.`),
    );
  };
  const downTypes = types('down_block_types', downBlockTypes);
  const upTypes = types('up_block_types', upBlockTypes);
  const layers = config.perBlock('layers_per_block', count, 2);
  // diffusers' "attention_head_dim" holds the number of heads; "num_attention_heads", where given, wins.
  const headsKey =
    config.raw('num_attention_heads') === undefined ? 'attention_head_dim' : 'num_attention_heads';
  const heads = config.perBlock(headsKey, count, 8);
  const transformerLayers = config.perBlock('transformer_layers_per_block', count, 1);
  const block = <Type extends string>(type: Type, i: number, added: number): BlockConfig<Type> => ({
    type,
    channels: channels[i]!,
    layers: layers[i]! + added,
    heads: heads[i]!,
    transformerLayers: transformerLayers[i]!,
  });
  for (const [i, width] of channels.entries()) {
    if (width % heads[i]! !== 0)
      config.fail(headsKey, `${width} channels do not divide into ${heads[i]} heads.`);
  }
  const addition = config.optionalString('addition_embed_type');
  if (addition !== undefined && addition !== 'text')
    config.fail('addition_embed_type', 'null and "text" are supported.');
  const last = count - 1;
  return {
    inChannels: config.number('in_channels', 4),
    outChannels: config.number('out_channels', 4),
    sampleSize: config.optionalNumber('sample_size'),
    activation: config.string('act_fn', 'silu'),
    crossAttentionDim: config.number('cross_attention_dim', 1280),
    groups: config.number('norm_num_groups', 32),
    epsilon: config.number('norm_eps', 1e-5),
    flipSinToCos: config.boolean('flip_sin_to_cos', true),
    frequencyShift: config.number('freq_shift', 0),
    downsamplePadding: config.number('downsample_padding', 1),
    linearProjection: config.boolean('use_linear_projection', false),
    midBlockScaleFactor: config.number('mid_block_scale_factor', 1),
    textPoolingHeads: addition === 'text' ? config.number('addition_embed_type_num_heads', 64) : undefined,
    downBlocks: downTypes.map((type, i) => block(type, i, 0)),
    upBlocks: upTypes.map((type, i) => block(type, last - i, 1)),
    midBlock: {
      type: config.oneOf('mid_block_type', midBlockTypes, 'UNetMidBlock2DCrossAttn'),
      channels: channels[last]!,
      heads: heads[last]!,
      transformerLayers: transformerLayers[last]!,
    },
  };
}
