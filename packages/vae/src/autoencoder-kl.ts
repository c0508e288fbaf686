// The autoencoder of latent diffusion (Rombach et al. 2022), diffusers' AutoencoderKL, as two graphs.
import {
  activate,
  attention,
  conv2d,
  enlargingConv2d,
  groupNorm,
  linear,
  NetworkBuilder,
  pixelsToTokens,
  resnetBlock,
  tokensToPixels,
  type WeightScope,
} from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import type { VaeConfig } from './vae-config.ts';

const epsilon = 1e-6;

const resnet = (
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  config: VaeConfig,
  inChannels: number,
  outChannels: number,
) =>
  resnetBlock(n, x, w, {
    inChannels,
    outChannels,
    groups: config.groups,
    epsilon,
    activation: config.activation,
  });

/**
 * The encoder: `image` `[batch, inChannels, height, width]` in [-1, 1] to `moments`
 * `[batch, 2·latentChannels, height/scale, width/scale]`, means and then logarithms of variances.
 */
export function vaeEncoder(name: string, config: VaeConfig, weights: WeightScope, dialect: Dialect): Model {
  const n = new NetworkBuilder(name, dialect);
  let x = n.input('image', 'float32', ['batch', config.inChannels, 'height', 'width']);
  for (const i of config.blockOutChannels.keys()) x = encoderStage(n, x, weights, config, i);
  n.output('moments', encoderEnd(n, x, weights, config));
  return n.build();
}

/** Block `i` of the encoder, the first one with what widens a picture; halves height and width unless it is the last one. */
export function encoderStage(
  n: NetworkBuilder,
  input: Value,
  weights: WeightScope,
  config: VaeConfig,
  i: number,
): Value {
  const { inChannels, blockOutChannels, layersPerBlock } = config;
  const w = weights.at('encoder');
  const outChannels = blockOutChannels[i]!;
  let channels = blockOutChannels[Math.max(i - 1, 0)]!;
  let x =
    i === 0 ? conv2d(n, input, w.at('conv_in'), { inChannels, outChannels: channels, kernel: 3 }) : input;
  for (let layer = 0; layer < layersPerBlock; layer++) {
    x = resnet(n, x, w.at(`down_blocks.${i}.resnets.${layer}`), config, channels, outChannels);
    channels = outChannels;
  }
  if (i === blockOutChannels.length - 1) return x;
  // Zeros below and to the right only, as the autoencoder was trained.
  const halving = {
    inChannels: channels,
    outChannels: channels,
    kernel: 3,
    stride: 2,
    padding: [0, 0, 1, 1] as const,
  };
  return conv2d(n, x, w.at(`down_blocks.${i}.downsamplers.0.conv`), halving);
}

/** The moments from what the last block gives: all of the encoder that sees all of the picture. */
export function encoderEnd(n: NetworkBuilder, input: Value, weights: WeightScope, config: VaeConfig): Value {
  const { latentChannels, blockOutChannels, quantConv } = config;
  const w = weights.at('encoder');
  const channels = blockOutChannels.at(-1)!;
  const normed = normalized(n, middle(n, input, w.at('mid_block'), config, channels), w, config, channels);
  const moments = 2 * latentChannels;
  const x = conv2d(n, normed, w.at('conv_out'), { inChannels: channels, outChannels: moments, kernel: 3 });
  const square = { inChannels: moments, outChannels: moments, kernel: 1 };
  return quantConv ? conv2d(n, x, weights.at('quant_conv'), square) : x;
}

/**
 * The decoder: `latents` `[batch, latentChannels, height, width]`, scaled and shifted back, to `image`
 * `[batch, outChannels, height·scale, width·scale]` in about [-1, 1].
 */
export function vaeDecoder(name: string, config: VaeConfig, weights: WeightScope, dialect: Dialect): Model {
  const n = new NetworkBuilder(name, dialect);
  let x = decoderStart(n, latentsInput(n, config), weights, config);
  for (let i = 1; i < config.blockOutChannels.length; i++) x = decoderStage(n, x, weights, config, i);
  n.output('image', decoderEnd(n, x, weights, config));
  return n.build();
}

/** The decoder's input. */
export const latentsInput = (n: NetworkBuilder, { latentChannels }: VaeConfig): Value =>
  n.input('latents', 'float32', ['batch', latentChannels, 'height', 'width']);

/** All of the decoder that works at the size of the latents, to `[batch, channels of the last block, height, width]`. */
export function decoderStart(
  n: NetworkBuilder,
  latents: Value,
  weights: WeightScope,
  config: VaeConfig,
): Value {
  const { latentChannels, blockOutChannels, postQuantConv } = config;
  const w = weights.at('decoder');
  const square = { inChannels: latentChannels, outChannels: latentChannels, kernel: 1 };
  let x = postQuantConv ? conv2d(n, latents, weights.at('post_quant_conv'), square) : latents;
  const channels = blockOutChannels.at(-1)!;
  x = conv2d(n, x, w.at('conv_in'), { inChannels: latentChannels, outChannels: channels, kernel: 3 });
  x = middle(n, x, w.at('mid_block'), config, channels);
  return decoderResnets(n, x, w.at('up_blocks.0'), config, channels, channels);
}

/** Enlarges what block `i - 1` gives, and block `i`: `[batch, …, height, width]` to twice height and width. */
export function decoderStage(
  n: NetworkBuilder,
  x: Value,
  weights: WeightScope,
  config: VaeConfig,
  i: number,
): Value {
  const blocks = weights.at('decoder.up_blocks');
  const [channels, outChannels] = config.blockOutChannels.toReversed().slice(i - 1) as [number, number]; // 0 < i < blocks
  const same = { inChannels: channels, outChannels: channels };
  const enlarged = enlargingConv2d(n, x, blocks.at(`${i - 1}.upsamplers.0.conv`), same);
  return decoderResnets(n, enlarged, blocks.at(String(i)), config, channels, outChannels);
}

/** The picture from what the last block gives. */
export function decoderEnd(n: NetworkBuilder, x: Value, weights: WeightScope, config: VaeConfig): Value {
  const [inChannels = 0] = config.blockOutChannels;
  const w = weights.at('decoder');
  const shape = { inChannels, outChannels: config.outChannels, kernel: 3 };
  return conv2d(n, normalized(n, x, w, config, inChannels), w.at('conv_out'), shape);
}

function decoderResnets(
  n: NetworkBuilder,
  input: Value,
  w: WeightScope,
  config: VaeConfig,
  inChannels: number,
  outChannels: number,
): Value {
  let x = input;
  for (let layer = 0; layer <= config.layersPerBlock; layer++)
    x = resnet(n, x, w.at(`resnets.${layer}`), config, layer === 0 ? inChannels : outChannels, outChannels);
  return x;
}

const normalized = (
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  { groups, activation }: VaeConfig,
  channels: number,
) => activate(n, groupNorm(n, x, w.at('conv_norm_out'), { channels, groups, epsilon }), activation);

function middle(n: NetworkBuilder, input: Value, w: WeightScope, config: VaeConfig, channels: number): Value {
  let x = resnet(n, input, w.at('resnets.0'), config, channels, channels);
  if (config.midBlockAttention) x = pixelAttention(n, x, w.at('attentions.0'), config, channels);
  return resnet(n, x, w.at('resnets.1'), config, channels, channels);
}

/** Names of the projections: today's, and those that checkpoints of 2022 have. */
const projections = {
  to_q: 'query',
  to_k: 'key',
  to_v: 'value',
  'to_out.0': 'proj_attn',
} as const;

/** Self-attention of the pixels in one head. */
function pixelAttention(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  { groups }: VaeConfig,
  channels: number,
): Value {
  const tokens = pixelsToTokens(
    n,
    groupNorm(n, x, w.at('group_norm'), { channels, groups, epsilon }),
    channels,
  );
  const square = { inFeatures: channels, outFeatures: channels };
  const project = (from: Value, name: keyof typeof projections) =>
    linear(n, from, w.at(w.has(`${name}.weight`) ? name : projections[name]), square);
  const [query, key, value] = [project(tokens, 'to_q'), project(tokens, 'to_k'), project(tokens, 'to_v')];
  const mixed = attention(n, { query, key, value, channels, heads: 1 });
  return n.op('Add', [tokensToPixels(n, project(mixed, 'to_out.0'), x), x]);
}
