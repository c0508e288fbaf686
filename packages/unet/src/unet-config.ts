// The config.json of diffusers' UNet2DConditionModel, and of networks that share its way down.
import { ConfigReader } from '@emulsion/nn';

const downBlockTypes = ['DownBlock2D', 'CrossAttnDownBlock2D'] as const;
const upBlockTypes = ['UpBlock2D', 'CrossAttnUpBlock2D'] as const;
const midBlockTypes = ['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D'] as const;

/** What follows the residual blocks: nothing, attention among the pixels, or a transformer in which they attend to the text. */
export type BlockAttention = 'none' | 'pixels' | 'text';

/** One resolution of the U-Net. */
export interface BlockConfig {
  readonly channels: number;
  /** Residual blocks. */
  readonly layers: number;
  readonly attention: BlockAttention;
  readonly heads: number;
  /** Groups of the normalization before attention; `undefined` is none. */
  readonly attentionGroups: number | undefined;
  /** Transformer blocks after each residual block. */
  readonly transformerLayers: readonly number[];
  /** Whether both attentions of a transformer block are to the text. */
  readonly onlyCrossAttention: boolean;
  /** What halves or enlarges between resolutions: a convolution or a residual block. */
  readonly resampling: 'conv' | 'resnet';
}

/** What a class label becomes before it is added to the time embedding. */
export type ClassEmbedding =
  /** A row of a table with so many. */
  | { readonly kind: 'table'; readonly classes: number }
  /** A number that is embedded as a timestep is. */
  | { readonly kind: 'timestep' }
  /** A vector through two linear layers, through one, or as it is. */
  | { readonly kind: 'projection' | 'simple_projection' | 'identity'; readonly channels: number };

/** What more is added to the time embedding. */
export type AdditionEmbedding =
  /** The text, pooled by attention with so many heads. */
  | { readonly kind: 'text'; readonly heads: number }
  /** A pooled text and numbers such as sizes, embedded as timesteps are: `channels` in all, `timeIdChannels` each number. */
  | { readonly kind: 'text_time'; readonly channels: number; readonly timeIdChannels: number };

/** Everything up to the middle of a U-Net, which is also a ControlNet's. */
export interface UnetEncoderConfig {
  readonly inChannels: number;
  /** Height and width of the latents it was trained on, `undefined` if it does not say. */
  readonly sampleSize: number | undefined;
  readonly activation: string;
  readonly groups: number;
  readonly epsilon: number;
  readonly flipSinToCos: boolean;
  readonly frequencyShift: number;
  /** Channels of the time embedding. */
  readonly timeChannels: number;
  /** Whether the time embedding scales and shifts in residual blocks. */
  readonly timeScaleShift: boolean;
  /** Channels of a condition that is added to the timestep's features, such as the guidance scale's in LCM. */
  readonly timestepCondChannels: number | undefined;
  readonly classEmbedding: ClassEmbedding | undefined;
  readonly addition: AdditionEmbedding | undefined;
  /** Channels of the text that the transformers attend to; `undefined` in networks without text. */
  readonly crossAttentionDim: number | undefined;
  /** Channels of the text that comes, if it is projected to `crossAttentionDim` first. */
  readonly encoderHiddenDim: number | undefined;
  readonly downsamplePadding: number;
  readonly midBlockScaleFactor: number;
  readonly downBlocks: readonly BlockConfig[];
  /** A residual block, then `layers` times attention and a residual block; `undefined` where the way up begins at once. */
  readonly midBlock: BlockConfig | undefined;
}

/** The U-Net of Stable Diffusion and its relatives, as its config.json describes it. */
export interface UnetConfig extends UnetEncoderConfig {
  readonly crossAttentionDim: number;
  readonly outChannels: number;
  readonly upBlocks: readonly BlockConfig[];
}

/** Keys that change the network, with the values under which it is the one that is written here. */
const supported: Readonly<Record<string, readonly unknown[]>> = {
  attention_type: [null, 'default'],
  center_input_sample: [null, false],
  class_embeddings_concat: [null, false],
  conv_in_kernel: [null, 3],
  conv_out_kernel: [null, 3],
  cross_attention_norm: [null],
  dual_cross_attention: [null, false],
  encoder_hid_dim_type: [null, 'text_proj'],
  resnet_out_scale_factor: [null, 1],
  resnet_skip_time_act: [null, false],
  time_embedding_act_fn: [null],
  time_embedding_type: [null, 'positional'],
  timestep_post_act: [null],
};

/**
 * Reads the config.json of a U-Net.
 * @param name what messages call the network
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseUnetConfig(name: string, json: unknown): UnetConfig {
  const config = new ConfigReader(name, json);
  const encoder = parseEncoder(config);
  const count = encoder.downBlocks.length;
  const types = blockTypes(config, 'up_block_types', upBlockTypes, count);
  const mirrored = encoder.downBlocks.toReversed();
  const lengths = mirrored.map(({ layers }) => layers + 1);
  // Where blocks name each layer, the way up has one more than the way down and names its own.
  const ownLayers = 'reverse_transformer_layers_per_block';
  const down = config.raw('transformer_layers_per_block');
  const nested = Array.isArray(down) && down.some(Array.isArray);
  if (nested && config.raw(ownLayers) === undefined)
    config.fail(ownLayers, 'a list is wanted, since transformer_layers_per_block names single layers.');
  const transformerLayers =
    config.raw(ownLayers) === undefined
      ? config
          .perBlock('transformer_layers_per_block', count, 1)
          .toReversed()
          .map((layers, i) => Array.from({ length: lengths[i]! }, () => layers))
      : config.perLayer(ownLayers, lengths);
  return {
    ...encoder,
    outChannels: config.number('out_channels', 4),
    upBlocks: mirrored.map((block, i) => ({
      ...block,
      layers: lengths[i]!,
      attention: types[i] === 'CrossAttnUpBlock2D' ? 'text' : 'none',
      transformerLayers: transformerLayers[i]!,
    })),
  };
}

/**
 * Reads the config.json of a network that ends in the middle, such as a ControlNet. Arguments and errors as
 * `parseUnetConfig`.
 */
export function parseUnetEncoderConfig(name: string, json: unknown): UnetEncoderConfig {
  return parseEncoder(new ConfigReader(name, json));
}

function parseEncoder(config: ConfigReader): UnetEncoderConfig & Pick<UnetConfig, 'crossAttentionDim'> {
  for (const [key, values] of Object.entries(supported)) config.refuseUnless(key, values);
  const channels = config.numbers('block_out_channels');
  const count = channels.length;
  const types = blockTypes(config, 'down_block_types', downBlockTypes, count);
  const layers = config.perBlock('layers_per_block', count, 2);
  // diffusers' "attention_head_dim" holds the number of heads; "num_attention_heads", where given, wins.
  const headsKey =
    config.raw('num_attention_heads') === undefined ? 'attention_head_dim' : 'num_attention_heads';
  const heads = config.perBlock(headsKey, count, 8);
  for (const [i, width] of channels.entries()) {
    if (width % heads[i]! !== 0)
      config.fail(headsKey, `${width} channels do not divide into ${heads[i]} heads.`);
  }
  const transformerLayers = config.perLayer('transformer_layers_per_block', layers, 1);
  const onlyCross = config.flagPerBlock('only_cross_attention', count, false);
  const crossAttentionDim = config.number('cross_attention_dim', 1280);
  const groups = config.number('norm_num_groups', 32);
  const kind = { attentionGroups: groups, resampling: 'conv' } as const;
  const encoderHiddenDim = config.optionalNumber('encoder_hid_dim');
  if (encoderHiddenDim === undefined) config.refuseUnless('encoder_hid_dim_type', [null]);
  return {
    inChannels: config.number('in_channels', 4),
    sampleSize: config.optionalNumber('sample_size'),
    activation: config.string('act_fn', 'silu'),
    groups,
    epsilon: config.number('norm_eps', 1e-5),
    flipSinToCos: config.boolean('flip_sin_to_cos', true),
    frequencyShift: config.number('freq_shift', 0),
    timeChannels: config.number('time_embedding_dim', 4 * channels[0]!),
    timeScaleShift:
      config.oneOf('resnet_time_scale_shift', ['default', 'scale_shift'], 'default') === 'scale_shift',
    timestepCondChannels: config.optionalNumber('time_cond_proj_dim'),
    classEmbedding: parseClassEmbedding(config, ['timestep', 'projection', 'simple_projection', 'identity']),
    addition: parseAddition(config),
    crossAttentionDim,
    encoderHiddenDim,
    downsamplePadding: config.number('downsample_padding', 1),
    midBlockScaleFactor: config.number('mid_block_scale_factor', 1),
    downBlocks: types.map((type, i) => ({
      channels: channels[i]!,
      layers: layers[i]!,
      attention: type === 'CrossAttnDownBlock2D' ? 'text' : 'none',
      heads: heads[i]!,
      transformerLayers: transformerLayers[i]!,
      onlyCrossAttention: onlyCross[i]!,
      ...kind,
    })),
    midBlock: parseMidBlock(config, {
      channels: channels.at(-1)!,
      heads: heads.at(-1)!,
      // As many as the last block has; of a block that names its layers, the first.
      transformerLayers: transformerLayers.at(-1)!.slice(0, 1),
      onlyCrossAttention: false,
      ...kind,
    }),
  };
}

/** The types of the blocks, one for each. */
export function blockTypes<Type extends string>(
  config: ConfigReader,
  key: string,
  known: readonly Type[],
  count: number,
): Type[] {
  const given = config.strings(key);
  if (given.length !== count) config.fail(key, `one type for each of ${count} blocks is wanted.`);
  return given.map(
    (type) => known.find((word) => word === type) ?? config.fail(key, `${known.join(', ')} are supported.`),
  );
}

function parseMidBlock(
  config: ConfigReader,
  block: Omit<BlockConfig, 'layers' | 'attention'>,
): BlockConfig | undefined {
  if (config.isNull('mid_block_type')) return undefined;
  const type = config.oneOf('mid_block_type', midBlockTypes, 'UNetMidBlock2DCrossAttn');
  // diffusers gives the type without attention its first residual block and no more.
  return type === 'UNetMidBlock2D'
    ? { ...block, layers: 0, attention: 'none' }
    : { ...block, layers: 1, attention: 'text' };
}

/** The class embedding, if there is one: a table, or one of the named kinds. */
export function parseClassEmbedding(
  config: ConfigReader,
  kinds: readonly Exclude<ClassEmbedding['kind'], 'table'>[],
): ClassEmbedding | undefined {
  const type = config.optionalString('class_embed_type');
  if (type === undefined) {
    const classes = config.optionalNumber('num_class_embeds');
    return classes === undefined ? undefined : { kind: 'table', classes };
  }
  const kind = config.oneOf('class_embed_type', kinds);
  if (kind === 'timestep') return { kind };
  if (kind === 'identity')
    return {
      kind,
      channels: config.number('time_embedding_dim', 4 * config.numbers('block_out_channels')[0]!),
    };
  return { kind, channels: config.number('projection_class_embeddings_input_dim') };
}

function parseAddition(config: ConfigReader): AdditionEmbedding | undefined {
  if (config.raw('addition_embed_type') === undefined) return undefined;
  const kind = config.oneOf('addition_embed_type', ['text', 'text_time']);
  if (kind === 'text') return { kind, heads: config.number('addition_embed_type_num_heads', 64) };
  return {
    kind,
    channels: config.number('projection_class_embeddings_input_dim'),
    timeIdChannels: config.number('addition_time_embed_dim'),
  };
}
