// Stable Diffusion 1.5 without its weights: the published configurations, and the name and shape of every tensor.
import { sizeOf } from '@emulsion/tensor';
import { Layers, type Shapes } from './layers.ts';
import { shapesOfUnet } from './unet-shapes.ts';

export const modelIndex = {
  _class_name: 'StableDiffusionPipeline',
  _diffusers_version: '0.6.0',
  feature_extractor: [null, null],
  safety_checker: [null, null],
  scheduler: ['diffusers', 'PNDMScheduler'],
  text_encoder: ['transformers', 'CLIPTextModel'],
  tokenizer: ['transformers', 'CLIPTokenizer'],
  unet: ['diffusers', 'UNet2DConditionModel'],
  vae: ['diffusers', 'AutoencoderKL'],
};

export const schedulerConfig = {
  _class_name: 'PNDMScheduler',
  _diffusers_version: '0.6.0',
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
  clip_sample: false,
};

export const unetConfig = {
  _class_name: 'UNet2DConditionModel',
  _diffusers_version: '0.6.0',
  act_fn: 'silu',
  attention_head_dim: 8,
  block_out_channels: [320, 640, 1280, 1280],
  center_input_sample: false,
  cross_attention_dim: 768,
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  sample_size: 64,
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
};

export const vaeConfig = {
  _class_name: 'AutoencoderKL',
  _diffusers_version: '0.6.0',
  act_fn: 'silu',
  block_out_channels: [128, 256, 512, 512],
  down_block_types: Array.from({ length: 4 }, () => 'DownEncoderBlock2D'),
  in_channels: 3,
  latent_channels: 4,
  layers_per_block: 2,
  norm_num_groups: 32,
  out_channels: 3,
  sample_size: 512,
  up_block_types: Array.from({ length: 4 }, () => 'UpDecoderBlock2D'),
};

export const textEncoderConfig = {
  architectures: ['CLIPTextModel'],
  attention_dropout: 0,
  bos_token_id: 0,
  dropout: 0,
  eos_token_id: 2,
  hidden_act: 'quick_gelu',
  hidden_size: 768,
  initializer_factor: 1,
  initializer_range: 0.02,
  intermediate_size: 3072,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 77,
  model_type: 'clip_text_model',
  num_attention_heads: 12,
  num_hidden_layers: 12,
  pad_token_id: 1,
  projection_dim: 768,
  vocab_size: 49408,
};

/** The 686 tensors of the U-Net, 859,520,964 elements. */
export const unetShapes = (): Shapes => shapesOfUnet(unetConfig);

/** The 248 tensors of the autoencoder, 83,653,863 elements, with the names of 2022 for its attention. */
export function vaeShapes(): Shapes {
  const { block_out_channels: widths, in_channels, out_channels, latent_channels } = vaeConfig;
  const layers = new Layers();
  const last = widths.length - 1;
  const deepest = widths[last]!;
  const middle = (path: string) => {
    layers.resnet(`${path}.resnets.0`, deepest, deepest);
    layers.norm(`${path}.attentions.0.group_norm`, deepest);
    for (const name of ['query', 'key', 'value', 'proj_attn'])
      layers.linear(`${path}.attentions.0.${name}`, deepest, deepest);
    layers.resnet(`${path}.resnets.1`, deepest, deepest);
  };
  let channels = widths[0]!;
  layers.conv('encoder.conv_in', in_channels, channels, 3);
  for (const [i, width] of widths.entries()) {
    for (const j of [0, 1]) {
      layers.resnet(`encoder.down_blocks.${i}.resnets.${j}`, channels, width);
      channels = width;
    }
    if (i < last) layers.conv(`encoder.down_blocks.${i}.downsamplers.0.conv`, width, width, 3);
  }
  middle('encoder.mid_block');
  layers.norm('encoder.conv_norm_out', deepest);
  layers.conv('encoder.conv_out', deepest, 2 * latent_channels, 3);
  layers.conv('quant_conv', 2 * latent_channels, 2 * latent_channels, 1);
  layers.conv('post_quant_conv', latent_channels, latent_channels, 1);
  layers.conv('decoder.conv_in', latent_channels, deepest, 3);
  middle('decoder.mid_block');
  for (const [i, width] of widths.toReversed().entries()) {
    for (const j of [0, 1, 2]) {
      layers.resnet(`decoder.up_blocks.${i}.resnets.${j}`, channels, width);
      channels = width;
    }
    if (i < last) layers.conv(`decoder.up_blocks.${i}.upsamplers.0.conv`, width, width, 3);
  }
  layers.norm('decoder.conv_norm_out', channels);
  layers.conv('decoder.conv_out', channels, out_channels, 3);
  return layers.shapes;
}

/** The 196 tensors of the text encoder, 123,060,480 elements. */
export function textEncoderShapes(): Shapes {
  const { hidden_size, intermediate_size, num_hidden_layers, vocab_size, max_position_embeddings } =
    textEncoderConfig;
  const layers = new Layers();
  layers.shapes.set('text_model.embeddings.token_embedding.weight', [vocab_size, hidden_size]);
  layers.shapes.set('text_model.embeddings.position_embedding.weight', [
    max_position_embeddings,
    hidden_size,
  ]);
  for (let i = 0; i < num_hidden_layers; i++) {
    const path = `text_model.encoder.layers.${i}`;
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      layers.linear(`${path}.self_attn.${name}`, hidden_size, hidden_size);
    layers.norm(`${path}.layer_norm1`, hidden_size);
    layers.norm(`${path}.layer_norm2`, hidden_size);
    layers.linear(`${path}.mlp.fc1`, hidden_size, intermediate_size);
    layers.linear(`${path}.mlp.fc2`, intermediate_size, hidden_size);
  }
  layers.norm('text_model.final_layer_norm', hidden_size);
  return layers.shapes;
}

/** Tokens of a prompt, and height and width of the latents of 512×512 pixels. */
const [tokens, latentSize] = [77, 64];

/**
 * Floating-point operations of the U-Net's convolutions, linear layers and attention for one picture of 512×512, a
 * multiplication and an addition counted as two.
 */
export function unetOperations(): number {
  const last = unetConfig.block_out_channels.length - 1;
  let operations = 0;
  for (const [name, shape] of unetShapes()) {
    if (shape.length === 1) continue;
    const [, way, index] = /^(?:(down|up)_blocks\.(\d))?/.exec(name)!;
    const resampled = name.includes('samplers') ? 1 : 0;
    const level =
      way === 'down'
        ? Number(index) + resampled
        : way === 'up'
          ? last - Number(index) - resampled
          : name.startsWith('mid')
            ? last
            : 0;
    const pixels = (latentSize / 2 ** level) ** 2;
    const positions = name.includes('time_emb') ? 1 : /attn2\.to_[kv]/.test(name) ? tokens : pixels;
    operations += 2 * positions * sizeOf(shape);
    // Scores and their product with the values.
    const [channels] = shape;
    if (name.endsWith('attn1.to_q.weight')) operations += 4 * pixels * pixels * channels!;
    if (name.endsWith('attn2.to_q.weight')) operations += 4 * pixels * tokens * channels!;
  }
  return operations;
}
