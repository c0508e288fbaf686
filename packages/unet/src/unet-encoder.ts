// A U-Net up to its middle, with its inputs: the part that a ControlNet is a copy of.
import {
  activate,
  type ChangeContext,
  conv2d,
  linear,
  type NetworkBuilder,
  type WeightScope,
} from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import { downBlocks } from './down-blocks.ts';
import type { AttendPictures } from './image-prompts.ts';
import type { AddFeatures } from './intrablock-features.ts';
import { midBlock } from './mid-block.ts';
import type { Network, Skip } from './network.ts';
import { conditionEmbedding } from './time-embedding.ts';
import type { UnetEncoderConfig } from './unet-config.ts';

/** What a U-Net is up to its middle. */
export interface UnetEncoder {
  readonly network: Network;
  /** After the first convolution, each layer and each halving. */
  readonly skips: Skip[];
  /** After the middle block. */
  readonly middle: Value;
}

/** What is added to the layers up to the middle. */
export interface UnetEncoderAdditions {
  /** To the sample after the first convolution, `[batch, channels of the first block, height, width]`. */
  readonly hint?: Value | undefined;
  /** To the features of each block and of the middle. */
  readonly addFeatures?: AddFeatures | undefined;
  /** To what layers make of the text, here and on the way up. */
  readonly attendPictures?: AttendPictures | undefined;
  /** To what the attention layers make keys and values of, here and on the way up. */
  readonly changeContext?: ChangeContext | undefined;
}

/**
 * Writes the inputs and the layers up to the middle; see `unet2dCondition` for the inputs.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function unetEncoder(
  n: NetworkBuilder,
  config: UnetEncoderConfig,
  w: WeightScope,
  { hint, addFeatures, attendPictures, changeContext }: UnetEncoderAdditions = {},
): UnetEncoder {
  const { inChannels, activation, crossAttentionDim, encoderHiddenDim } = config;
  const { channels } = config.downBlocks[0]!;
  const sample = n.input('sample', 'float32', ['batch', inChannels, 'height', 'width']);
  const timestep = n.input('timestep_features', 'float32', ['batch', channels]);
  const textChannels = encoderHiddenDim ?? crossAttentionDim;
  const text =
    textChannels === undefined
      ? undefined
      : n.input('encoder_hidden_states', 'float32', ['batch', 'sequence', textChannels]);
  const time = conditionEmbedding(n, timestep, text, w, config);
  const network = {
    n,
    config,
    activatedTime: activate(n, time, activation),
    encoderHiddenStates: text && projectText(n, text, w, config),
    addFeatures,
    attendPictures,
    changeContext,
  };
  let x = conv2d(n, sample, w.at('conv_in'), { inChannels, outChannels: channels, kernel: 3 });
  if (hint) x = n.op('Add', [x, hint]);
  const skips: Skip[] = [{ value: x, channels }];
  x = downBlocks(network, x, skips, w);
  if (config.midBlock) x = midBlock(network, x, w.at('mid_block'), config.midBlock);
  if (addFeatures) x = addFeatures(x, config.downBlocks.length);
  return { network, skips, middle: x };
}

/** The text with the channels that the transformers attend to. */
function projectText(
  n: NetworkBuilder,
  text: Value,
  w: WeightScope,
  { encoderHiddenDim, crossAttentionDim }: UnetEncoderConfig,
): Value {
  if (encoderHiddenDim === undefined || crossAttentionDim === undefined) return text;
  const shape = { inFeatures: encoderHiddenDim, outFeatures: crossAttentionDim };
  return linear(n, text, w.at('encoder_hid_proj'), shape);
}
