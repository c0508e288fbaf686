// The U-Net of Stable Diffusion XL without its weights: the published configuration, and the name and shape of every tensor.
import type { Shapes } from './layers.ts';
import { shapesOfUnet } from './unet-shapes.ts';

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
export const xlUnetShapes = (): Shapes => shapesOfUnet(xlUnetConfig);
