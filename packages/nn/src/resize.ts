// Enlarging by repeating pixels.
import type { Value } from '@emulsion/onnx';
import { tensor } from '@emulsion/tensor';
import type { NetworkBuilder } from './network-builder.ts';

const nearest = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };

/** `x` `[batch, channels, height, width]` at twice its height and width. */
export function enlargeTwice(n: NetworkBuilder, x: Value): Value {
  return n.op('Resize', [x, undefined, n.constant(tensor([1, 1, 2, 2], [4]))], nearest);
}

/** `x` `[batch, channels, …]` at the height and width of `like`, which may be odd. */
export function enlargeTo(n: NetworkBuilder, x: Value, like: Value): Value {
  const sizes = [n.op('Shape', [x], { start: 0, end: 2 }), n.op('Shape', [like], { start: 2, end: 4 })];
  return n.op('Resize', [x, undefined, undefined, n.op('Concat', sizes, { axis: 0 })], nearest);
}
