// T5's encoder as Stable Diffusion 3 and Flux keep it: in the names of transformers.
import type { Weights } from '../weight.ts';
import { type ConvertedComponent, countWhile, dimOf } from './converted-component.ts';

/** The encoder of weights whose names lack the prefix of the model. */
export function convertT5(weights: Weights): ConvertedComponent {
  const first = 'encoder.block.0.layer';
  const dim = (name: string, axis: number) => dimOf(weights, `${name}.weight`, axis);
  const bias = `${first}.0.SelfAttention.relative_attention_bias`;
  const heads = dim(bias, 1) ?? 1;
  const gated = weights.has(`${first}.1.DenseReluDense.wi_0.weight`);
  return {
    measured: {
      architectures: ['T5EncoderModel'],
      d_model: dim('shared', 1),
      vocab_size: dim('shared', 0),
      d_ff: dim(`${first}.1.DenseReluDense.${gated ? 'wi_0' : 'wi'}`, 0),
      num_heads: heads,
      d_kv: (dim(`${first}.0.SelfAttention.q`, 0) ?? 0) / heads,
      num_layers: countWhile((i) => weights.has(`encoder.block.${i}.layer.0.SelfAttention.q.weight`)),
      relative_attention_num_buckets: dim(bias, 0),
      feed_forward_proj: gated ? 'gated-gelu' : 'relu',
    },
    assumed: { layer_norm_epsilon: 1e-6, relative_attention_max_distance: 128 },
    weights: async () => weights,
  };
}
