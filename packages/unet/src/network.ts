// What the blocks of one U-Net share, and the residual block as all of them use it.
import {
  type ChangeContext,
  type NetworkBuilder,
  type ResnetBlockShape,
  resnetBlock,
  type WeightScope,
} from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import type { AttendPictures } from './image-prompts.ts';
import type { AddFeatures } from './intrablock-features.ts';
import type { UnetEncoderConfig } from './unet-config.ts';

/** What every block of one U-Net needs. */
export interface Network {
  readonly n: NetworkBuilder;
  readonly config: UnetEncoderConfig;
  /** The time embedding after its activation, as each residual block takes it. */
  readonly activatedTime: Value;
  /** The text, `[batch, sequence, crossAttentionDim]`, if there is one. */
  readonly encoderHiddenStates: Value | undefined;
  /** What is added to what layers make of the text, if pictures are attended to. */
  readonly attendPictures?: AttendPictures | undefined;
  /** What keys and values are made of instead of the context itself, if adapters change it. */
  readonly changeContext?: ChangeContext | undefined;
  /** What is added to the features of blocks, if a T2I-Adapter adds any. */
  readonly addFeatures?: AddFeatures | undefined;
}

/** What the way down leaves for the way up. */
export interface Skip {
  readonly value: Value;
  readonly channels: number;
}

/** Whether a sample that was halved `level` times is small, as `conv2d` means it: 16×16 where latents are 64×64. */
export const isSmall = (level: number) => level >= 2;

export interface ResnetShape {
  readonly inChannels: number;
  readonly outChannels: number;
  /** How often the sample was halved. */
  readonly level: number;
  readonly outputScaleFactor?: number;
  readonly resampling?: ResnetBlockShape['resampling'];
}

/** A residual block of the network. */
export function resnet(
  { n, config, activatedTime }: Network,
  x: Value,
  w: WeightScope,
  shape: ResnetShape,
): Value {
  const { groups, epsilon, activation, timeChannels, timeScaleShift } = config;
  const { level, ...channels } = shape;
  const norms = { groups, epsilon, activation };
  const time = { timeChannels, timeScaleShift };
  return resnetBlock(n, x, w, { ...channels, ...norms, ...time, small: isSmall(level) }, activatedTime);
}
