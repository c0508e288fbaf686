// A 3×3 convolution of a picture that is enlarged twice by repeating pixels, in 4/9 of the multiplications.
import type { Value } from '@emulsion/onnx';
import { tensor } from '@emulsion/tensor';
import { changedConvolution } from './adapter-slots.ts';
import { type Conv2dShape, conv2d, convolve } from './conv2d.ts';
import type { NetworkBuilder } from './network-builder.ts';
import { enlargeTwice } from './resize.ts';
import type { WeightScope } from './weight-scope.ts';

/** Even and odd rows, or columns, of the enlarged picture: how many pixels are missing before and after. */
const phases = [
  { before: 1, after: 0 },
  { before: 0, after: 1 },
] as const;

/**
 * `x` at twice its height and width, then convolved with a kernel of 3, one pixel of padding.
 *
 * Next to each other in the enlarged picture lie copies of one pixel, so each of its pixels sees 2×2 different ones.
 * Which of the nine weights meet the same one depends only on whether row and column are even: four convolutions of
 * the small picture, with weights added up when the graph is loaded, give the four kinds of pixels (the sub-pixel
 * convolution of Shi et al. 2016). Weights that are cast in each run stay as they are.
 * @param x `[batch, inChannels, height, width]`
 * @returns `[batch, outChannels, 2·height, 2·width]`
 */
export function enlargingConv2d(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  { inChannels, outChannels, bias: hasBias = true }: Pick<Conv2dShape, 'inChannels' | 'outChannels' | 'bias'>,
): Value {
  if (w.castsLate(n, 'weight'))
    return conv2d(n, enlargeTwice(n, x), w, { inChannels, outChannels, kernel: 3, bias: hasBias });
  const weight = w.value(n, 'weight', [outChannels, inChannels, 3, 3]);
  const bias = hasBias ? w.value(n, 'bias', [outChannels]) : undefined;
  const nine = n.op('Reshape', [weight, n.ints(outChannels * inChannels, 9)]);
  const kinds = phases.flatMap((row) =>
    phases.map((column) => {
      const four = n.op('MatMul', [nine, n.constant(tensor(addends(row.after, column.after), [9, 4]))]);
      const kernel = n.op('Reshape', [four, n.ints(outChannels, inChannels, 2, 2)]);
      return convolve(n, x, kernel, bias, {
        inChannels,
        outChannels,
        kernel: 2,
        stride: 1,
        pads: [row.before, column.before, row.after, column.after],
        name: `${w.path}[${row.after},${column.after}]`,
      });
    }),
  );
  const y = n.op('DepthToSpace', [n.op('Concat', kinds, { axis: 1 })], { blocksize: 2, mode: 'DCR' });
  if (n.slots(w.path).size === 0) return y;
  const whole = { inChannels, outChannels, kernel: 3, stride: 1, pads: [1, 1, 1, 1], name: w.path } as const;
  return changedConvolution(n, enlargeTwice(n, x), y, w.path, whole);
}

/** `[9, 4]`: which of the 3×3 weights fall together on each of the 2×2 pixels that a row and a column see. */
function addends(row: number, column: number): Float32Array {
  const sums = new Float32Array(9 * 4);
  for (let r = 0; r < 3; r++) {
    for (let c = 0; c < 3; c++) {
      const pixel = 2 * Math.floor((r + 1 - row) / 2) + Math.floor((c + 1 - column) / 2);
      sums[(3 * r + c) * 4 + pixel] = 1;
    }
  }
  return sums;
}
