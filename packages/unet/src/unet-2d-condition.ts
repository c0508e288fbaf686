// The U-Net of Stable Diffusion (Rombach et al. 2022), diffusers' UNet2DConditionModel, as a graph.
import {
  activate,
  conv2d,
  enlargeTo,
  enlargingConv2d,
  groupNorm,
  NetworkBuilder,
  resnetBlock,
  type WeightScope,
} from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { textTimeEmbedding, timeEmbedding } from './time-embedding.ts';
import { transformer2d } from './transformer-2d.ts';
import type { UnetConfig } from './unet-config.ts';

/**
 * Heights and widths that a graph takes: `halvable` ones can be halved for each level of the U-Net without a rest, and
 * are enlarged again with less work.
 */
export type Sizes = 'halvable' | 'any';

/** What every block of one U-Net needs. */
interface Network {
  readonly n: NetworkBuilder;
  readonly config: UnetConfig;
  readonly sizes: Sizes;
  readonly timeChannels: number;
  /** The time embedding after its activation, as each residual block takes it. */
  readonly activatedTime: Value;
  readonly encoderHiddenStates: Value;
}

/** Whether a sample that was halved `level` times is small, as `conv2d` means it: 16×16 where latents are 64×64. */
const isSmall = (level: number) => level >= 2;

const resnet = (
  network: Network,
  x: Value,
  w: WeightScope,
  inChannels: number,
  outChannels: number,
  /** How often the sample was halved. */
  level: number,
  outputScaleFactor = 1,
) => {
  const { groups, epsilon, activation } = network.config;
  const { n, timeChannels, activatedTime } = network;
  return resnetBlock(
    n,
    x,
    w,
    {
      inChannels,
      outChannels,
      groups,
      epsilon,
      activation,
      timeChannels,
      outputScaleFactor,
      small: isSmall(level),
    },
    activatedTime,
  );
};

const transformer = (
  network: Network,
  x: Value,
  w: WeightScope,
  block: { channels: number; heads: number; transformerLayers: number },
) => {
  const { groups, crossAttentionDim, linearProjection } = network.config;
  const { channels, heads, transformerLayers: layers } = block;
  const shape = { channels, heads, layers, groups, crossAttentionDim, linearProjection };
  return transformer2d(network.n, x, network.encoderHiddenStates, w, shape);
};

/**
 * Writes the graph of a U-Net.
 *
 * Inputs, all float32: `sample` `[batch, inChannels, height, width]`, `timestep_features` `[batch, channels of the
 * first block]` (see `timestepFeatures`), `encoder_hidden_states` `[batch, sequence, crossAttentionDim]`.
 * Output: `model_output` `[batch, outChannels, height, width]`.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function unet2dCondition(
  name: string,
  config: UnetConfig,
  w: WeightScope,
  dialect: Dialect,
  sizes: Sizes,
): Model {
  const { inChannels, outChannels, groups, epsilon, activation, crossAttentionDim, textPoolingHeads } =
    config;
  const firstChannels = config.downBlocks[0]!.channels;
  const timeChannels = 4 * firstChannels;
  const n = new NetworkBuilder(name, dialect);
  const sample = n.input('sample', 'float32', ['batch', inChannels, 'height', 'width']);
  const timestep = n.input('timestep_features', 'float32', ['batch', firstChannels]);
  const encoderHiddenStates = n.input('encoder_hidden_states', 'float32', [
    'batch',
    'sequence',
    crossAttentionDim,
  ]);

  let time = timeEmbedding(n, timestep, w.at('time_embedding'), {
    inChannels: firstChannels,
    channels: timeChannels,
    activation,
  });
  if (textPoolingHeads !== undefined) {
    const shape = { textChannels: crossAttentionDim, timeChannels, heads: textPoolingHeads };
    time = n.op('Add', [time, textTimeEmbedding(n, encoderHiddenStates, w.at('add_embedding'), shape)]);
  }
  const network = {
    n,
    config,
    sizes,
    timeChannels,
    activatedTime: activate(n, time, activation),
    encoderHiddenStates,
  };

  let x = conv2d(n, sample, w.at('conv_in'), { inChannels, outChannels: firstChannels, kernel: 3 });
  const skips: Skip[] = [{ value: x, channels: firstChannels }];
  x = down(network, x, skips, w);
  x = middle(network, x, w.at('mid_block'));
  x = up(network, x, skips, w);
  x = groupNorm(n, x, w.at('conv_norm_out'), { channels: firstChannels, groups, epsilon });
  x = activate(n, x, activation);
  n.output(
    'model_output',
    conv2d(n, x, w.at('conv_out'), { inChannels: firstChannels, outChannels, kernel: 3 }),
  );
  return n.build();
}

/** What the way down leaves for the way up. */
interface Skip {
  readonly value: Value;
  readonly channels: number;
}

function down(network: Network, input: Value, skips: Skip[], w: WeightScope): Value {
  const { n, config } = network;
  let x = input;
  let inChannels = config.downBlocks[0]!.channels;
  for (const [i, block] of config.downBlocks.entries()) {
    const scope = w.at(`down_blocks.${i}`);
    const { channels } = block;
    for (let layer = 0; layer < block.layers; layer++) {
      x = resnet(network, x, scope.at(`resnets.${layer}`), inChannels, channels, i);
      if (block.type === 'CrossAttnDownBlock2D')
        x = transformer(network, x, scope.at(`attentions.${layer}`), block);
      skips.push({ value: x, channels });
      inChannels = channels;
    }
    if (i < config.downBlocks.length - 1) {
      const halving = {
        inChannels: channels,
        outChannels: channels,
        kernel: 3,
        stride: 2,
        padding: config.downsamplePadding,
        small: isSmall(i + 1),
      };
      x = conv2d(n, x, scope.at('downsamplers.0.conv'), halving);
      skips.push({ value: x, channels });
    }
  }
  return x;
}

function middle(network: Network, input: Value, w: WeightScope): Value {
  const { midBlock, midBlockScaleFactor } = network.config;
  const { channels } = midBlock;
  const level = network.config.downBlocks.length - 1;
  let x = resnet(network, input, w.at('resnets.0'), channels, channels, level, midBlockScaleFactor);
  x = transformer(network, x, w.at('attentions.0'), midBlock);
  return resnet(network, x, w.at('resnets.1'), channels, channels, level, midBlockScaleFactor);
}

function up(network: Network, input: Value, skips: Skip[], w: WeightScope): Value {
  const { n, config, sizes } = network;
  let x = input;
  let inChannels = config.midBlock.channels;
  for (const [i, block] of config.upBlocks.entries()) {
    const scope = w.at(`up_blocks.${i}`);
    const { channels } = block;
    const level = config.upBlocks.length - 1 - i;
    for (let layer = 0; layer < block.layers; layer++) {
      const skip = skips.pop()!; // one for each layer, by construction
      x = n.op('Concat', [x, skip.value], { axis: 1 });
      x = resnet(network, x, scope.at(`resnets.${layer}`), inChannels + skip.channels, channels, level);
      if (block.type === 'CrossAttnUpBlock2D')
        x = transformer(network, x, scope.at(`attentions.${layer}`), block);
      inChannels = channels;
    }
    if (i < config.upBlocks.length - 1) {
      const w = scope.at('upsamplers.0.conv');
      const same = { inChannels: channels, outChannels: channels };
      x =
        sizes === 'halvable'
          ? enlargingConv2d(n, x, w, same)
          : conv2d(n, enlargeTo(n, x, skips.at(-1)!.value), w, { ...same, kernel: 3 });
    }
  }
  return x;
}
