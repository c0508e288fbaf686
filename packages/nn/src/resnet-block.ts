// The residual block of diffusion U-Nets and autoencoders (Ho et al. 2020), diffusers' ResnetBlock2D.
import type { Value } from '@emulsion/onnx';
import { activate } from './activations.ts';
import { conv2d } from './conv2d.ts';
import { enlargingConv2d } from './enlarging-conv2d.ts';
import { linear } from './linear.ts';
import type { NetworkBuilder } from './network-builder.ts';
import { groupNorm } from './norms.ts';
import { enlargeTo, enlargeTwice } from './resize.ts';
import type { WeightScope } from './weight-scope.ts';

export interface ResnetBlockShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly epsilon: number;
  readonly activation: string;
  /** Channels of the time embedding, if there is one. */
  readonly timeChannels?: number;
  /** Whether the time embedding scales and shifts the second norm (Dhariwal and Nichol 2021), or is added before it. */
  readonly timeScaleShift?: boolean;
  /** See `Conv2dShape`. */
  readonly small?: boolean;
  /** Whether the block halves the picture, to means of 2×2 pixels, or enlarges it twice or to the size of another. */
  readonly resampling?: 'halve' | 'enlarge' | { readonly like: Value } | undefined;
  /** The sum is divided by this; 1 unless said otherwise. */
  readonly outputScaleFactor?: number;
}

/**
 * A residual block.
 * @param x `[batch, inChannels, height, width]`
 * @param activatedTime the time embedding after its activation, `[batch, timeChannels]`
 * @returns `[batch, outChannels, height, width]`, resampled if so
 */
export function resnetBlock(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  shape: ResnetBlockShape,
  activatedTime?: Value,
): Value {
  const {
    inChannels,
    outChannels,
    groups,
    epsilon,
    activation,
    timeChannels,
    timeScaleShift = false,
    small = false,
    resampling,
    outputScaleFactor = 1,
  } = shape;
  const normalize = (h: Value, norm: string, channels: number) =>
    activate(n, groupNorm(n, h, w.at(norm), { channels, groups, epsilon }), activation);
  let h = normalize(x, 'norm1', inChannels);
  const resample = (value: Value) => {
    if (resampling === undefined) return value;
    if (resampling === 'halve')
      return n.op('AveragePool', [value], { kernel_shape: [2, 2], strides: [2, 2] });
    return resampling === 'enlarge' ? enlargeTwice(n, value) : enlargeTo(n, value, resampling.like);
  };
  const first = { inChannels, outChannels, kernel: 3, small };
  h =
    resampling === 'enlarge'
      ? enlargingConv2d(n, h, w.at('conv1'), first)
      : conv2d(n, resample(h), w.at('conv1'), first);
  if (activatedTime && timeChannels !== undefined) {
    const projection = {
      inFeatures: timeChannels,
      outFeatures: timeScaleShift ? 2 * outChannels : outChannels,
    };
    const time = (start: number, end: number) =>
      n.op('Unsqueeze', [
        linear(n, activatedTime, w.at('time_emb_proj'), { ...projection, rows: [start, end] }),
        n.ints(2, 3),
      ]);
    if (timeScaleShift) {
      const scale = n.op('Add', [time(0, outChannels), n.scalar(1)]);
      const shift = time(outChannels, 2 * outChannels);
      h = groupNorm(n, h, w.at('norm2'), { channels: outChannels, groups, epsilon });
      h = activate(n, n.op('Add', [n.op('Mul', [h, scale]), shift]), activation);
    } else {
      h = normalize(n.op('Add', [h, time(0, outChannels)]), 'norm2', outChannels);
    }
  } else {
    h = normalize(h, 'norm2', outChannels);
  }
  h = conv2d(n, h, w.at('conv2'), { inChannels: outChannels, outChannels, kernel: 3, small });
  const input = resample(x);
  const shortcut =
    inChannels === outChannels
      ? input
      : conv2d(n, input, w.at('conv_shortcut'), { inChannels, outChannels, kernel: 1, small });
  const sum = n.op('Add', [shortcut, h]);
  return outputScaleFactor === 1 ? sum : n.op('Mul', [sum, n.scalar(1 / outputScaleFactor)]);
}
