// y = x Wᵀ + b, with W [outFeatures, inFeatures] as PyTorch's nn.Linear stores it.
import type { Value } from '@emulsion/onnx';
import { linearOffset } from './adapter-slots.ts';
import type { NetworkBuilder } from './network-builder.ts';
import type { WeightScope } from './weight-scope.ts';

export interface LinearShape {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Whether there is a bias; true unless said otherwise. */
  readonly bias?: boolean;
  /** Only the outputs `start` to `end` (excluded) of the layer. */
  readonly rows?: readonly [start: number, end: number];
}

/**
 * A linear layer.
 * @param x `[rows, inFeatures]` or `[batch, sequence, inFeatures]`
 * @returns the same with `outFeatures` in the last place
 */
export function linear(n: NetworkBuilder, x: Value, w: WeightScope, shape: LinearShape): Value {
  const { inFeatures, outFeatures, bias = true, rows: [start, end] = [0, outFeatures] } = shape;
  const whole = start === 0 && end === outFeatures;
  const get = (name: string, dims: readonly number[]) =>
    whole ? w.value(n, name, dims, x) : w.rows(n, name, dims, start, end, x);
  const weight = get('weight', [outFeatures, inFeatures]);
  const isSequence = x.type?.shape?.length === 3;
  const rows = isSequence ? n.op('Reshape', [x, n.ints(-1, inFeatures)]) : x;
  const stored = bias ? get('bias', [outFeatures]) : undefined;
  const offset = linearOffset(n, rows, w.path, { inFeatures, outFeatures, rows: [start, end] }, stored);
  // Gemm takes W as it lies in the file; a MatMul would have to transpose a copy.
  const y = n.op('Gemm', [rows, weight, offset], { transB: 1 }, { name: w.path });
  if (!isSequence) return y;
  const sizes = n.op('Concat', [n.op('Shape', [x], { start: 0, end: 2 }), n.ints(end - start)], { axis: 0 });
  return n.op('Reshape', [y, sizes]);
}
