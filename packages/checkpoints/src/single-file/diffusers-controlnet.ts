// A ControlNet in the names of diffusers in a file without its config.json, as most for XL are published.
import type { Weights } from '../weight.ts';
import { type ConvertedComponent, countWhile, dimOf, headsOf64 } from './converted-component.ts';

/** A weight that only such a file has. */
export const diffusersControlNetMark = 'controlnet_cond_embedding.conv_in.weight';

/** The ControlNet of these weights. */
export function describeControlNet(weights: Weights): ConvertedComponent {
  const dim = (name: string, axis: number) => dimOf(weights, `${name}.weight`, axis);
  const resnet = (level: number, i: number) => `down_blocks.${level}.resnets.${i}.conv1`;
  const count = countWhile((level) => dim(resnet(level, 0), 0) !== undefined);
  const levels = Array.from({ length: count }, (_, level) => level);
  const channels = levels.map((level) => dim(resnet(level, 0), 0) ?? 0);
  const layersIn = (module: string) =>
    countWhile((i) => dim(`${module}.transformer_blocks.${i}.norm1`, 0) !== undefined);
  const attends = (level: number) => dim(`down_blocks.${level}.attentions.0.proj_in`, 0) !== undefined;
  const middle = 'mid_block.attentions.0';
  const linear = weights.get(`${middle}.proj_in.weight`)?.dims.length === 2;
  const features = dim('add_embedding.linear_1', 1);
  const hint = 'controlnet_cond_embedding';
  const hints = countWhile((i) => dim(`${hint}.blocks.${2 * i + 1}`, 0) !== undefined);
  return {
    measured: {
      _class_name: 'ControlNetModel',
      in_channels: dim('conv_in', 1),
      block_out_channels: channels,
      layers_per_block: countWhile((i) => dim(resnet(0, i), 0) !== undefined),
      down_block_types: levels.map((level) => (attends(level) ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
      // The middle has as many as the last resolution, which may have no attention of its own.
      transformer_layers_per_block: levels.map((level) => {
        if (attends(level)) return layersIn(`down_blocks.${level}.attentions.0`);
        return level === count - 1 ? layersIn(middle) : 1;
      }),
      cross_attention_dim: dim(`${middle}.transformer_blocks.0.attn2.to_k`, 1),
      use_linear_projection: linear,
      conditioning_channels: dim(`${hint}.conv_in`, 1),
      conditioning_embedding_out_channels: [
        dim(`${hint}.conv_in`, 0),
        ...Array.from({ length: hints }, (_, i) => dim(`${hint}.blocks.${2 * i + 1}`, 0)),
      ],
      ...(features !== undefined && {
        addition_embed_type: 'text_time',
        projection_class_embeddings_input_dim: features,
      }),
    },
    assumed: {
      // Stable Diffusion 1 has 8 heads in each attention, later models heads of 64 channels.
      attention_head_dim: linear ? channels.map(headsOf64) : 8,
      ...(features !== undefined && { addition_time_embed_dim: 256 }),
      norm_num_groups: 32,
    },
    weights: async () => weights,
  };
}
