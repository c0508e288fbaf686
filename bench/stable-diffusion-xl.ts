// The U-Net of Stable Diffusion XL without its weights: the published configuration, and the name and shape of every tensor.
import { Layers, type Shapes } from './layers.ts';

export const xlUnetConfig = {
  _class_name: 'UNet2DConditionModel',
  _diffusers_version: '0.19.0',
  act_fn: 'silu',
  addition_embed_type: 'text_time',
  addition_embed_type_num_heads: 64,
  addition_time_embed_dim: 256,
  attention_head_dim: [5, 10, 20],
  block_out_channels: [320, 640, 1280],
  center_input_sample: false,
  cross_attention_dim: 2048,
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  mid_block_type: 'UNetMidBlock2DCrossAttn',
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  projection_class_embeddings_input_dim: 2816,
  sample_size: 128,
  transformer_layers_per_block: [1, 2, 10],
  up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  use_linear_projection: true,
};

/** The 1,680 tensors of the U-Net, 2,567,463,684 elements. */
export function xlUnetShapes(): Shapes {
  const {
    block_out_channels: widths,
    cross_attention_dim: contextChannels,
    transformer_layers_per_block: depths,
    projection_class_embeddings_input_dim: addedChannels,
    in_channels,
    out_channels,
  } = xlUnetConfig;
  const layers = new Layers();
  const first = widths[0]!;
  const last = widths.length - 1;
  const time = 4 * first;
  /** The transformers of a level; the first has none. */
  const transformer = (path: string, level: number) =>
    level > 0 &&
    layers.transformer(path, widths[level]!, contextChannels, {
      depth: depths[level]!,
      linearProjection: true,
    });
  layers.conv('conv_in', in_channels, first, 3);
  layers.linear('time_embedding.linear_1', first, time);
  layers.linear('time_embedding.linear_2', time, time);
  layers.linear('add_embedding.linear_1', addedChannels, time);
  layers.linear('add_embedding.linear_2', time, time);
  const skips = [first];
  let channels = first;
  for (const [level, width] of widths.entries()) {
    for (const j of [0, 1]) {
      layers.resnet(`down_blocks.${level}.resnets.${j}`, channels, width, time);
      transformer(`down_blocks.${level}.attentions.${j}`, level);
      channels = width;
      skips.push(width);
    }
    if (level === last) continue;
    layers.conv(`down_blocks.${level}.downsamplers.0.conv`, width, width, 3);
    skips.push(width);
  }
  layers.resnet('mid_block.resnets.0', channels, channels, time);
  transformer('mid_block.attentions.0', last);
  layers.resnet('mid_block.resnets.1', channels, channels, time);
  for (const [i, width] of widths.toReversed().entries()) {
    for (const j of [0, 1, 2]) {
      layers.resnet(`up_blocks.${i}.resnets.${j}`, channels + skips.pop()!, width, time);
      transformer(`up_blocks.${i}.attentions.${j}`, last - i);
      channels = width;
    }
    if (i < last) layers.conv(`up_blocks.${i}.upsamplers.0.conv`, width, width, 3);
  }
  layers.norm('conv_norm_out', first);
  layers.conv('conv_out', first, out_channels, 3);
  return layers.shapes;
}
