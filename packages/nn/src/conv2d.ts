// Two-dimensional convolution, with weights [outChannels, inChannels, kernel, kernel] as PyTorch's nn.Conv2d stores them.
import type { Value } from '@emulsion/onnx';
import type { NetworkBuilder } from './network-builder.ts';
import type { WeightScope } from './weight-scope.ts';

export interface Conv2dShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on each side, or `[top, left, bottom, right]`; half the kernel unless said otherwise. */
  readonly padding?: number | readonly [number, number, number, number];
}

/**
 * A convolution.
 * @param x `[batch, inChannels, height, width]`
 * @returns `[batch, outChannels, …]`
 */
export function conv2d(n: NetworkBuilder, x: Value, w: WeightScope, shape: Conv2dShape): Value {
  const { inChannels, outChannels, kernel, stride = 1, padding = (kernel - 1) / 2 } = shape;
  const pads = typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
  const weight = w.value(n, 'weight', [outChannels, inChannels, kernel, kernel], x);
  const bias = w.value(n, 'bias', [outChannels]);
  const missing = n.dialect.fillsConvChannels && inChannels > 3 && inChannels % 3 === 0 ? -inChannels & 3 : 0;
  const filled = (value: Value) =>
    missing === 0 ? value : n.op('Pad', [value, n.ints(0, 0, 0, 0, 0, missing, 0, 0)]);
  return n.op(
    'Conv',
    [filled(x), filled(weight), bias],
    { kernel_shape: [kernel, kernel], strides: [stride, stride], pads },
    { name: w.path },
  );
}
