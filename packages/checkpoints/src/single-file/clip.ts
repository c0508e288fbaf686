// CLIP's text encoder as Stable Diffusion 1 and the first of SDXL's keep it: in the names of transformers.
import type { Weights } from '../weight.ts';
import { type ConvertedComponent, countWhile, dimOf, headsOf64, renamed } from './converted-component.ts';

/**
 * The encoder of weights whose names lack the prefix of the model.
 * @param kind the activation and the class; those of Stable Diffusion 1 unless given
 */
export function convertClip(
  weights: Weights,
  { activation = 'quick_gelu', className = 'CLIPTextModel' } = {},
): ConvertedComponent {
  // Some merged models have lost a part of the names.
  const named = renamed(weights, (name) =>
    /^(embeddings|encoder|final_layer_norm)\./.test(name) ? `text_model.${name}` : name,
  );
  return { ...describeClip(named, activation, className), weights: async () => named };
}

/** The configuration of a text encoder in the names of transformers. */
export function describeClip(
  weights: Weights,
  activation: string,
  className: string,
): Omit<ConvertedComponent, 'weights'> {
  const dim = (name: string, axis: number) => dimOf(weights, `text_model.${name}.weight`, axis);
  const hiddenSize = dim('embeddings.token_embedding', 1) ?? 0;
  return {
    measured: {
      architectures: [className],
      hidden_size: hiddenSize,
      vocab_size: dim('embeddings.token_embedding', 0),
      max_position_embeddings: dim('embeddings.position_embedding', 0),
      num_hidden_layers: countWhile((i) => dim(`encoder.layers.${i}.layer_norm1`, 0) !== undefined),
      intermediate_size: dim('encoder.layers.0.mlp.fc1', 0),
      projection_dim: dimOf(weights, 'text_projection.weight', 0) ?? hiddenSize,
    },
    // Of all published encoders.
    assumed: { num_attention_heads: headsOf64(hiddenSize), hidden_act: activation, eos_token_id: 49407 },
  };
}
