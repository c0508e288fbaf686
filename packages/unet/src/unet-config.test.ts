import { expect, test } from 'vitest';
import { parseUnetConfig } from './unet-config.ts';

/** The keys of published models that say something, each beside those that are null in all of them. */
const common = { act_fn: 'silu', dual_cross_attention: false, norm_num_groups: 32, upcast_attention: null };
const xl = {
  ...common,
  addition_embed_type: 'text_time',
  addition_time_embed_dim: 256,
  in_channels: 4,
  layers_per_block: 2,
  use_linear_projection: true,
};

test('Stable Diffusion XL has ten transformer layers in the middle, and none at the full size', () => {
  const config = parseUnetConfig('unet', {
    ...xl,
    attention_head_dim: [5, 10, 20],
    block_out_channels: [320, 640, 1280],
    cross_attention_dim: 2048,
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    projection_class_embeddings_input_dim: 2816,
    transformer_layers_per_block: [1, 2, 10],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  });
  expect(config.downBlocks.map(({ attention }) => attention)).toEqual(['none', 'text', 'text']);
  expect(config.downBlocks.map(({ heads }) => heads)).toEqual([5, 10, 20]);
  expect(config.upBlocks.map(({ transformerLayers }) => transformerLayers)).toEqual([
    [10, 10, 10],
    [2, 2, 2],
    [1, 1, 1],
  ]);
  expect(config.midBlock).toMatchObject({ channels: 1280, layers: 1, attention: 'text', heads: 20 });
  expect(config.midBlock?.transformerLayers).toEqual([10]);
  expect(config.addition).toEqual({ kind: 'text_time', channels: 2816, timeIdChannels: 256 });
});

test('its refiner has attention at two sizes, and five numbers beside a wider pooled text', () => {
  const config = parseUnetConfig('unet', {
    ...xl,
    attention_head_dim: [6, 12, 24, 24],
    block_out_channels: [384, 768, 1536, 1536],
    cross_attention_dim: 1280,
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
    projection_class_embeddings_input_dim: 2560,
    transformer_layers_per_block: 4,
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  });
  expect(config.midBlock?.transformerLayers).toEqual([4]);
  // 1280 of the pooled text and 256 for each of the five.
  expect(config.addition).toEqual({ kind: 'text_time', channels: 1280 + 5 * 256, timeIdChannels: 256 });
});

test('the x4 upscaler attends to nothing but the text above its smallest size, and has a table of noise levels', () => {
  const config = parseUnetConfig('unet', {
    ...common,
    attention_head_dim: 8,
    block_out_channels: [256, 512, 512, 1024],
    cross_attention_dim: 1024,
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    in_channels: 7,
    num_class_embeds: 1000,
    only_cross_attention: [true, true, true, false],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    use_linear_projection: true,
  });
  expect(config.inChannels).toBe(7);
  expect(config.classEmbedding).toEqual({ kind: 'table', classes: 1000 });
  expect(config.downBlocks.map(({ onlyCrossAttention }) => onlyCrossAttention)).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(config.upBlocks.map(({ onlyCrossAttention }) => onlyCrossAttention)).toEqual([
    false,
    true,
    true,
    true,
  ]);
  expect(config.midBlock?.onlyCrossAttention).toBe(false);
});

test('a distilled XL names its layers one by one, and has a middle without attention', () => {
  const config = parseUnetConfig('unet', {
    ...xl,
    attention_head_dim: [5, 10, 20],
    block_out_channels: [320, 640, 1280],
    cross_attention_dim: 2048,
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    mid_block_type: 'UNetMidBlock2D',
    projection_class_embeddings_input_dim: 2816,
    reverse_transformer_layers_per_block: [[4, 4, 10], [2, 1, 1], 1],
    transformer_layers_per_block: [1, [2, 2], [4, 4]],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  });
  expect(config.downBlocks.map(({ transformerLayers }) => transformerLayers)).toEqual([
    [1, 1],
    [2, 2],
    [4, 4],
  ]);
  expect(config.upBlocks.map(({ transformerLayers }) => transformerLayers)).toEqual([
    [4, 4, 10],
    [2, 1, 1],
    [1, 1, 1],
  ]);
  expect(config.midBlock).toMatchObject({ layers: 0, attention: 'none' });
});
