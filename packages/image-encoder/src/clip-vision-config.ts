// The config.json of transformers' CLIPVisionModelWithProjection.
import { ConfigReader } from '@emulsion/nn';

/** CLIP's encoder of pictures, as its config.json describes it. */
export interface ClipVisionConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly channels: number;
  /** Width and height of the pictures that it reads, in pixels, and of the patches that become tokens. */
  readonly imageSize: number;
  readonly patchSize: number;
  readonly activation: string;
  readonly epsilon: number;
  readonly projectionDim: number;
}

const classes = ['CLIPVisionModelWithProjection', 'CLIPVisionModel', 'CLIPModel'];

/**
 * Reads a config.json; one of a whole CLIP model has the encoder's in `vision_config`.
 * @throws {ConfigError} if it is of another class, or a value is missing or of the wrong kind
 */
export function parseClipVisionConfig(name: string, json: unknown): ClipVisionConfig {
  const outer = new ConfigReader(name, json);
  const named = outer.raw('architectures') === undefined ? [] : outer.strings('architectures');
  if (named.length > 0 && !named.some((architecture) => classes.includes(architecture)))
    outer.fail('architectures', `${classes.join(', ')} are supported.`);
  const config =
    outer.raw('vision_config') === undefined ? outer : new ConfigReader(name, outer.raw('vision_config'));
  const hiddenSize = config.number('hidden_size', 768);
  const heads = config.number('num_attention_heads', 12);
  if (hiddenSize % heads !== 0)
    config.fail('num_attention_heads', `${hiddenSize} channels do not divide into as many.`);
  const imageSize = config.number('image_size', 224);
  const patchSize = config.number('patch_size', 32);
  if (!(patchSize >= 1 && patchSize <= imageSize))
    config.fail('patch_size', `a number from 1 to image_size, ${imageSize}, is wanted.`);
  return {
    hiddenSize,
    heads,
    intermediateSize: config.number('intermediate_size', 3072),
    layers: config.number('num_hidden_layers', 12),
    channels: config.number('num_channels', 3),
    imageSize,
    patchSize,
    activation: config.string('hidden_act', 'quick_gelu'),
    epsilon: config.number('layer_norm_eps', 1e-5),
    projectionDim: config.number('projection_dim', 512),
  };
}
