// The config.json of diffusers' SD3Transformer2DModel.
import { ConfigReader } from '@emulsion/nn';

/** The transformer of Stable Diffusion 3, as its config.json describes it. */
export interface Sd3TransformerConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the latents it was trained on. */
  readonly sampleSize: number;
  /** Pixels of latents along a side of one token. */
  readonly patchSize: number;
  /** Most tokens along a side. */
  readonly positions: number;
  readonly layers: number;
  readonly heads: number;
  readonly features: number;
  /** Channels of the text's tokens. */
  readonly textFeatures: number;
  readonly pooledFeatures: number;
  readonly qkNorm: boolean;
  /** Numbers of the blocks in which the picture also attends to itself alone. */
  readonly dualAttentionLayers: readonly number[];
}

/**
 * Reads a config.json.
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseSd3TransformerConfig(name: string, json: unknown): Sd3TransformerConfig {
  const config = new ConfigReader(name, json);
  config.refuseUnless('qk_norm', [null, 'rms_norm']);
  const heads = config.number('num_attention_heads', 18);
  const features = heads * config.number('attention_head_dim', 64);
  if (config.number('caption_projection_dim', 1152) !== features)
    config.fail('caption_projection_dim', `${features}, as all heads have together, is wanted.`);
  const inChannels = config.number('in_channels', 16);
  return {
    inChannels,
    outChannels: config.optionalNumber('out_channels') ?? inChannels,
    sampleSize: config.number('sample_size', 128),
    patchSize: config.number('patch_size', 2),
    positions: config.number('pos_embed_max_size', 96),
    layers: config.number('num_layers', 18),
    heads,
    features,
    textFeatures: config.number('joint_attention_dim', 4096),
    pooledFeatures: config.number('pooled_projection_dim', 2048),
    qkNorm: config.raw('qk_norm') !== undefined,
    dualAttentionLayers:
      config.raw('dual_attention_layers') === undefined ? [] : config.numbers('dual_attention_layers'),
  };
}
