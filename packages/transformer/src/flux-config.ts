// The config.json of diffusers' FluxTransformer2DModel.
import { ConfigReader } from '@emulsion/nn';

/** The transformer of Flux, as its config.json describes it. */
export interface FluxTransformerConfig {
  /** Features of a token: a patch of 2×2 pixels of latents with their channels. */
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Blocks in which picture and text have weights of their own. */
  readonly jointLayers: number;
  /** Blocks in which they have them in common. */
  readonly singleLayers: number;
  readonly heads: number;
  readonly features: number;
  /** Channels of the text's tokens. */
  readonly textFeatures: number;
  readonly pooledFeatures: number;
  /** Whether the strength of guidance is an input (Flux dev). */
  readonly guidance: boolean;
  /** Channels of each head that turn by each of a token's three positions. */
  readonly rotaryAxes: readonly number[];
}

/**
 * Reads a config.json.
 * @throws {ConfigError} if a value is of the wrong kind, or asks for a layer that is not supported
 */
export function parseFluxTransformerConfig(name: string, json: unknown): FluxTransformerConfig {
  const config = new ConfigReader(name, json);
  config.refuseUnless('patch_size', [null, 1]);
  const heads = config.number('num_attention_heads', 24);
  const headSize = config.number('attention_head_dim', 128);
  const rotaryAxes =
    config.raw('axes_dims_rope') === undefined ? [16, 56, 56] : config.numbers('axes_dims_rope');
  if (
    rotaryAxes.reduce((sum, axis) => sum + axis, 0) !== headSize ||
    rotaryAxes.some((axis) => axis % 2 !== 0)
  )
    config.fail(
      'axes_dims_rope',
      `even numbers that add up to the ${headSize} channels of a head are wanted.`,
    );
  const inFeatures = config.number('in_channels', 64);
  return {
    inFeatures,
    outFeatures: config.optionalNumber('out_channels') ?? inFeatures,
    jointLayers: config.number('num_layers', 19),
    singleLayers: config.number('num_single_layers', 38),
    heads,
    features: heads * headSize,
    textFeatures: config.number('joint_attention_dim', 4096),
    pooledFeatures: config.number('pooled_projection_dim', 768),
    guidance: config.boolean('guidance_embeds', false),
    rotaryAxes,
  };
}
