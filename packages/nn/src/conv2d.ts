// Two-dimensional convolution, with weights [outChannels, inChannels, kernel, kernel] as PyTorch's nn.Conv2d stores them.
import type { Value } from '@emulsion/onnx';
import { zeros } from '@emulsion/tensor';
import { changedConvolution } from './adapter-slots.ts';
import { lateShape } from './late-shape.ts';
import type { NetworkBuilder } from './network-builder.ts';
import type { WeightScope } from './weight-scope.ts';

export interface Conv2dShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on each side, or `[top, left, bottom, right]`; half the kernel unless said otherwise. */
  readonly padding?: number | readonly [number, number, number, number];
  /** Whether there is a bias; true unless said otherwise. */
  readonly bias?: boolean;
  /**
   * Whether pictures are so small that the layer's time is that of reading its weights: then they are read as they lie.
   * A copy of them in blocks, where the device makes one, costs load time and memory and saves nothing here.
   */
  readonly small?: boolean;
}

/**
 * A convolution.
 * @param x `[batch, inChannels, height, width]`
 * @returns `[batch, outChannels, …]`
 */
export function conv2d(n: NetworkBuilder, x: Value, w: WeightScope, shape: Conv2dShape): Value {
  const { inChannels, outChannels, kernel, stride = 1, padding = (kernel - 1) / 2 } = shape;
  const { bias: hasBias = true, small = false } = shape;
  const pads = typeof padding === 'number' ? ([padding, padding, padding, padding] as const) : padding;
  const weight = w.value(n, 'weight', [outChannels, inChannels, kernel, kernel], x);
  const stored = hasBias ? w.value(n, 'bias', [outChannels]) : undefined;
  // onnxruntime copies a layer into blocks if weight and bias are constants, which this bias does not look like.
  const bias =
    stored && small && n.dialect.blocksConvs
      ? n.op('Reshape', [stored, lateShape(n, x, [outChannels])])
      : stored;
  const convolution = { inChannels, outChannels, kernel, stride, pads, name: w.path };
  return changedConvolution(n, x, convolve(n, x, weight, bias, convolution), w.path, convolution);
}

export interface ConvolutionShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  /** `[top, left, bottom, right]` */
  readonly pads: readonly [number, number, number, number];
  /** Name of the node. */
  readonly name: string;
}

/**
 * A convolution with the weights given as values, `[outChannels, inChannels, kernel, kernel]` and `[outChannels]`, if
 * there is a bias.
 */
export function convolve(
  n: NetworkBuilder,
  x: Value,
  weight: Value,
  bias: Value | undefined,
  { inChannels, outChannels, kernel, stride, pads, name }: ConvolutionShape,
): Value {
  const { fillsConvs } = n.dialect;
  const missing = fillsConvs && inChannels > 3 && inChannels % 3 === 0 ? -inChannels & 3 : 0;
  const filled = (value: Value) =>
    missing === 0 ? value : n.op('Pad', [value, n.ints(0, 0, 0, 0, 0, missing, 0, 0)]);
  return n.op(
    'Conv',
    [
      filled(x),
      filled(weight),
      bias ?? (fillsConvs ? n.constant(zeros([outChannels], 'float32')) : undefined),
    ],
    { kernel_shape: [kernel, kernel], strides: [stride, stride], pads },
    { name },
  );
}
