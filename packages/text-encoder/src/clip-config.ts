// The config.json of transformers' CLIPTextModel.
import { ConfigReader } from '@emulsion/nn';

/** CLIP's text encoder, as its config.json describes it. */
export interface ClipTextConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabSize: number;
  /** Longest sequence, start and end tokens included. */
  readonly maxPositionEmbeddings: number;
  readonly activation: string;
  readonly epsilon: number;
  /** Token that ends a text. 2 is what old configurations say; there the end token is the largest id of the sequence. */
  readonly eosTokenId: number;
  readonly projectionDim: number;
}

/**
 * Reads a config.json; one of a whole CLIP model has the text encoder's in `text_config`.
 * @throws {ConfigError} if a value is missing or of the wrong kind
 */
export function parseClipTextConfig(name: string, json: unknown): ClipTextConfig {
  const outer = new ConfigReader(name, json);
  const config =
    outer.raw('text_config') === undefined ? outer : new ConfigReader(name, outer.raw('text_config'));
  const hiddenSize = config.number('hidden_size', 512);
  const heads = config.number('num_attention_heads', 8);
  if (hiddenSize % heads !== 0)
    config.fail('num_attention_heads', `${hiddenSize} channels do not divide into as many.`);
  return {
    hiddenSize,
    heads,
    intermediateSize: config.number('intermediate_size', 2048),
    layers: config.number('num_hidden_layers', 12),
    vocabSize: config.number('vocab_size', 49408),
    maxPositionEmbeddings: config.number('max_position_embeddings', 77),
    activation: config.string('hidden_act', 'quick_gelu'),
    epsilon: config.number('layer_norm_eps', 1e-5),
    eosTokenId: config.number('eos_token_id', 49407),
    projectionDim: config.number('projection_dim', 512),
  };
}
