import { parseControlNetConfig } from '@emulsion/controlnet';
import { parseUnetConfig } from '@emulsion/unet';
import { expect, test } from 'vitest';
import { assertControlNet } from './assert-control-net.ts';

const down = (...attends: boolean[]) =>
  attends.map((attention) => (attention ? 'CrossAttnDownBlock2D' : 'DownBlock2D'));
const up = (types: readonly string[]) => types.map((type) => type.replace('Down', 'Up')).toReversed();

/** What says for which model a network is, as published. */
const v1 = {
  attention_head_dim: 8,
  block_out_channels: [320, 640, 1280, 1280],
  cross_attention_dim: 768,
  down_block_types: down(true, true, true, false),
};
const v2 = { ...v1, attention_head_dim: [5, 10, 20, 20], cross_attention_dim: 1024 };
const xl = {
  addition_embed_type: 'text_time',
  addition_time_embed_dim: 256,
  attention_head_dim: [5, 10, 20],
  block_out_channels: [320, 640, 1280],
  cross_attention_dim: 2048,
  down_block_types: down(false, true, true),
  projection_class_embeddings_input_dim: 2816,
};
type Described = Record<string, unknown> & { readonly down_block_types: readonly string[] };

/** Refuses or takes a ControlNet for a U-Net. */
const assertFits = (net: Described, unet: Described) =>
  assertControlNet(
    {
      unet: { config: parseUnetConfig('unet', { ...unet, up_block_types: up(unet.down_block_types) }) },
      vae: { config: { latentChannels: 4 } },
    },
    { config: parseControlNetConfig('controlnet', net) },
  );

test.each<[string, Described, Described]>([
  ['the same model', v1, v1],
  ['Stable Diffusion 2', v2, v2],
  ['XL', xl, xl],
  ['XL, with a smaller network that attends less', { ...xl, transformer_layers_per_block: [0, 0, 1] }, xl],
  ['XL, not told of sizes', { ...xl, addition_embed_type: null }, xl],
  ['a model that sees a mask', v1, { ...v1, in_channels: 9 }],
  ['a model that sees a picture', v1, { ...v1, in_channels: 8 }],
  ['a model that is told the guidance scale', v1, { ...v1, time_cond_proj_dim: 256 }],
  [
    'a text that is projected first',
    { ...v1, encoder_hid_dim: 4096 },
    { ...v1, encoder_hid_dim: 4096, encoder_hid_dim_type: 'text_proj' },
  ],
])('a ControlNet fits %s', (_, net, unet) => {
  assertFits(net, unet);
});

test.each<[Described, Described, string]>([
  [v1, v2, 'texts have 768 channels, and those of this model 1024 channels'],
  [v1, xl, 'texts have 768 channels, and those of this model 2048 channels'],
  [{ ...v1, in_channels: 9 }, v1, 'latents have 9 channels, and those of this model 4 channels'],
  [v1, { ...v1, encoder_hid_dim: 4096 }, 'texts have 768 channels, and those of this model 4096 channels'],
  [
    { ...v1, block_out_channels: [320, 640, 1280, 1536] },
    v1,
    'blocks have 320, 640, 1280, 1536 channels in 2, 2, 2, 2 layers, and those of this model 320, 640, 1280, 1280 channels in 2, 2, 2, 2 layers',
  ],
  [
    v1,
    { ...v1, layers_per_block: 1 },
    'blocks have 320, 640, 1280, 1280 channels in 2, 2, 2, 2 layers, and those of this model 320, 640, 1280, 1280 channels in 1, 1, 1, 1 layers',
  ],
  [
    xl,
    { ...xl, addition_embed_type: null },
    'added conditions have 2816 channels, 256 for each number, and those of this model no channels',
  ],
])('a ControlNet for another model is refused (%#)', (net, unet, difference) => {
  expect(() => assertFits(net, unet)).toThrow(
    `controlnet: its ${difference}. Use a ControlNet that was trained for this model.`,
  );
});
