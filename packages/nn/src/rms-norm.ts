// Root mean square layer normalization (Zhang and Sennrich 2019).
import type { Value } from '@emulsion/onnx';
import type { NetworkBuilder } from './network-builder.ts';
import type { WeightScope } from './weight-scope.ts';

/**
 * x / √(mean(x²) + ε) over the last axis, which has `features` elements, times a learned scale. In the form that
 * onnxruntime makes one kernel of.
 */
export function rmsNorm(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  features: number,
  epsilon: number,
): Value {
  const meanSquare = n.op('ReduceMean', [n.op('Pow', [x, n.scalar(2)]), n.ints(-1)], { keepdims: 1 });
  const root = n.op('Sqrt', [n.op('Add', [meanSquare, n.scalar(epsilon)])]);
  return n.op('Mul', [n.op('Div', [x, root]), w.value(n, 'weight', [features])], {}, { name: w.path });
}
