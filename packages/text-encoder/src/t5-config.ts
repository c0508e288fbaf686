// The config.json of transformers' T5EncoderModel.
import { ConfigReader } from '@emulsion/nn';

/** T5's encoder, as its config.json describes it. */
export interface T5Config {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Channels of one head; all heads together need not have `hiddenSize`. */
  readonly headSize: number;
  readonly vocabSize: number;
  readonly epsilon: number;
  readonly activation: string;
  /** Whether the inner layer has a gate beside it (T5 1.1). */
  readonly gated: boolean;
  /** Kinds of distances that attention tells apart. */
  readonly distanceBuckets: number;
  /** From this distance on all are one kind. */
  readonly maxDistance: number;
}

/**
 * Reads a config.json.
 * @throws {ConfigError} if a value is missing or of the wrong kind
 */
export function parseT5Config(name: string, json: unknown): T5Config {
  const config = new ConfigReader(name, json);
  const words = config.string('feed_forward_proj', 'relu').split('-');
  const gated = words[0] === 'gated';
  const activation = words.at(-1)!;
  if (words.length !== (gated ? 2 : 1))
    config.fail('feed_forward_proj', 'an activation is wanted, with "gated-" before it or not.');
  return {
    hiddenSize: config.number('d_model', 512),
    intermediateSize: config.number('d_ff', 2048),
    layers: config.number('num_layers', 6),
    heads: config.number('num_heads', 8),
    headSize: config.number('d_kv', 64),
    vocabSize: config.number('vocab_size', 32128),
    epsilon: config.number('layer_norm_epsilon', 1e-6),
    // "gated-gelu" has always meant GELU by its tanh.
    activation: gated && activation === 'gelu' ? 'gelu_new' : activation,
    gated,
    distanceBuckets: config.number('relative_attention_num_buckets', 32),
    maxDistance: config.number('relative_attention_max_distance', 128),
  };
}
