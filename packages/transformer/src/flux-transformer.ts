// The transformer of Flux (Black Forest Labs 2024; blocks of Esser et al. 2024, parallel ones of Dehghani et al. 2023),
// diffusers' FluxTransformer2DModel, as a graph.
import { type AdapterSlots, activate, linear, NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';
import { conditionEmbedding, numberFeatures } from './conditions.ts';
import type { FluxTransformerConfig } from './flux-config.ts';
import { type AttentionShape, jointAttention, sampleProjections, splitTokens } from './joint-attention.ts';
import { jointBlock, type Streams } from './joint-block.ts';
import { Modulation } from './modulation.ts';

/**
 * Writes the graph.
 *
 * Inputs, all float32: `sample` `[batch, tokens, inFeatures]`, `timestep_features` `[batch, 256]`,
 * `encoder_hidden_states` `[batch, sequence, textFeatures]`, `pooled_text_embeds` `[batch, pooledFeatures]`,
 * `rotary_cosines` and `rotary_sines` `[1, sequence + tokens, 1, channels of a head]` (see `rotaryTables`; the text comes
 * first), and `guidance_features` `[batch, 256]` if the model takes guidance. Output: `model_output`
 * `[batch, tokens, outFeatures]`.
 * @param slots where adapters may enter, nowhere unless given; their inputs are `slotInputs` of @emulsion/nn
 * @throws {WeightError} if the weights do not match the configuration
 */
export function fluxTransformer(
  name: string,
  config: FluxTransformerConfig,
  w: WeightScope,
  dialect: Dialect,
  slots?: AdapterSlots,
): Model {
  const { inFeatures, outFeatures, jointLayers, singleLayers, heads, features, guidance } = config;
  const { textFeatures, pooledFeatures } = config;
  const n = new NetworkBuilder(name, dialect, slots);
  const sample = n.input('sample', 'float32', ['batch', 'tokens', inFeatures]);
  const time = n.input('timestep_features', 'float32', ['batch', numberFeatures]);
  const text = n.input('encoder_hidden_states', 'float32', ['batch', 'sequence', textFeatures]);
  const pooled = n.input('pooled_text_embeds', 'float32', ['batch', pooledFeatures]);
  const rotate = rotation(n, features / heads);

  const embed = (x: Value, layer: string, from: number) =>
    conditionEmbedding(n, x, w.at(`time_text_embed.${layer}`), from, features);
  let when = embed(time, 'timestep_embedder', numberFeatures);
  if (guidance) {
    const strength = n.input('guidance_features', 'float32', ['batch', numberFeatures]);
    when = n.op('Add', [when, embed(strength, 'guidance_embedder', numberFeatures)]);
  }
  const conditions = n.op('Add', [when, embed(pooled, 'text_embedder', pooledFeatures)]);
  const modulation = new Modulation(n, conditions, features);

  const enter = (x: Value, layer: string, from: number) =>
    linear(n, x, w.at(layer), { inFeatures: from, outFeatures: features });
  const shape = { features, heads, qkNorm: true, rotate };
  let streams: Streams = {
    sample: enter(sample, 'x_embedder', inFeatures),
    context: enter(text, 'context_embedder', textFeatures),
  };
  for (let i = 0; i < jointLayers; i++) {
    streams = jointBlock(n, streams, w.at(`transformer_blocks.${i}`), modulation, {
      ...shape,
      first: 'context',
      contextEnds: false,
      dualAttention: false,
    });
  }
  let all = n.op('Concat', [streams.context, streams.sample], { axis: 1 });
  for (let i = 0; i < singleLayers; i++)
    all = singleBlock(n, all, w.at(`single_transformer_blocks.${i}`), modulation, shape);
  const [, picture] = splitTokens(n, all, streams.context);
  const out = linear(n, modulation.continuous(picture, w.at('norm_out')), w.at('proj_out'), {
    inFeatures: features,
    outFeatures,
  });
  n.output('model_output', out);
  return n.build();
}

/** Turns each pair of channels of `[batch, sequence, heads, channels]` by the token's angles. */
function rotation(n: NetworkBuilder, channels: number): (x: Value) => Value {
  const table = (name: string) => n.input(name, 'float32', [1, 'all_tokens', 1, channels]);
  const [cosines, sines] = [table('rotary_cosines'), table('rotary_sines')];
  // Each channel next to the other one of its pair; the sines have the signs.
  const partners = n.constant(
    tensor(
      Int32Array.from({ length: channels }, (_, i) => i ^ 1),
      [channels],
    ),
  );
  return (x) => {
    const partner = n.op('Gather', [x, partners], { axis: -1 });
    return n.op('Add', [n.op('Mul', [x, cosines]), n.op('Mul', [partner, sines])]);
  };
}

/** Attention and feed-forward side by side on the same normalized tokens. */
function singleBlock(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  modulation: Modulation,
  shape: AttentionShape,
): Value {
  const { features } = shape;
  const inner = 4 * features;
  const [shift, scale, gate] = modulation.vectors(w.at('norm'), 3);
  const tokens = modulation.modulate(modulation.normalize(x), scale!, shift!);
  const widened = linear(n, tokens, w.at('proj_mlp'), { inFeatures: features, outFeatures: inner });
  const attended = jointAttention(n, [{ tokens, names: sampleProjections }], w.at('attn'), shape);
  const both = n.op('Concat', [attended, activate(n, widened, 'gelu_new')], { axis: 2 });
  const out = linear(n, both, w.at('proj_out'), { inFeatures: features + inner, outFeatures: features });
  return modulation.addGated(x, gate!, out);
}
