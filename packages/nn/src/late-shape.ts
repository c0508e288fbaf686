// A way to keep onnxruntime from computing a part of a graph when it loads it.
import type { Value } from '@emulsion/onnx';
import type { NetworkBuilder } from './network-builder.ts';

/** `dims` as a value that onnxruntime does not know before the run, since it takes the first size of `after` into account. */
export function lateShape(n: NetworkBuilder, after: Value, dims: readonly number[]): Value {
  const zero = n.op('Mul', [n.op('Shape', [after], { start: 0, end: 1 }), n.ints(0)]);
  return n.op('Add', [zero, n.ints(...dims)]);
}
