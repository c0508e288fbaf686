// Multi-head attention (Vaswani et al. 2017): softmax(Q Kᵀ / √d) V in each head.
import type { Value } from '@emulsion/onnx';
import type { NetworkBuilder } from './network-builder.ts';

export interface AttentionInputs {
  /** `[batch, queries, channels]` */
  readonly query: Value;
  /** `[batch, keys, channels]` */
  readonly key: Value;
  /** `[batch, keys, channels]` */
  readonly value: Value;
  readonly channels: number;
  readonly heads: number;
  /** Added to the scores, `[queries, keys]`. */
  readonly mask?: Value;
}

/** Attention; gives `[batch, queries, channels]`. */
export function attention(n: NetworkBuilder, inputs: AttentionInputs): Value {
  return n.dialect.attention === 'fused' && !inputs.mask ? fused(n, inputs) : decomposed(n, inputs);
}

function fused(n: NetworkBuilder, { query, key, value, heads }: AttentionInputs): Value {
  return n.op('MultiHeadAttention', [query, key, value], { num_heads: heads }, { domain: 'com.microsoft' });
}

function decomposed(n: NetworkBuilder, { query, key, value, channels, heads, mask }: AttentionInputs): Value {
  const width = channels / heads;
  const split = (x: Value, perm: readonly number[]) =>
    n.op('Transpose', [n.op('Reshape', [x, n.ints(0, 0, heads, width)])], { perm });
  // The scale goes onto the queries, the smaller tensor, and the keys are transposed for the product.
  const scaled = n.op('Mul', [split(query, [0, 2, 1, 3]), n.scalar(1 / Math.sqrt(width))]);
  const scores = n.op('MatMul', [scaled, split(key, [0, 2, 3, 1])]);
  const weights = n.op('Softmax', [mask ? n.op('Add', [scores, mask]) : scores], { axis: -1 });
  const mixed = n.op('MatMul', [weights, split(value, [0, 2, 1, 3])]);
  return n.op('Reshape', [n.op('Transpose', [mixed], { perm: [0, 2, 1, 3] }), n.ints(0, 0, channels)]);
}
