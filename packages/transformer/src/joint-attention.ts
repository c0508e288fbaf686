// Attention of a picture's and a text's tokens to all of both (Esser et al. 2024, figure 2): each has its own projections.
import { attention, linear, type NetworkBuilder, rmsNorm, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';

export interface AttentionShape {
  readonly features: number;
  readonly heads: number;
  /** Whether queries and keys are normalized in each head. */
  readonly qkNorm: boolean;
  /** Turns queries and keys, `[batch, sequence, heads, features / heads]`, by their positions. */
  readonly rotate?: (x: Value) => Value;
}

/** Where the weights of one kind of tokens lie. */
export interface ProjectionNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly queryNorm: string;
  readonly keyNorm: string;
}

export const sampleProjections: ProjectionNames = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  queryNorm: 'norm_q',
  keyNorm: 'norm_k',
};

export const contextProjections: ProjectionNames = {
  query: 'add_q_proj',
  key: 'add_k_proj',
  value: 'add_v_proj',
  queryNorm: 'norm_added_q',
  keyNorm: 'norm_added_k',
};

/** Some tokens with the names of their projections. */
export interface Attending {
  /** `[batch, sequence, features]` */
  readonly tokens: Value;
  readonly names: ProjectionNames;
}

/**
 * All tokens attend to all tokens.
 * @returns what they take from each other, `[batch, sum of the sequences, features]`, before any projection
 */
export function jointAttention(
  n: NetworkBuilder,
  attending: readonly Attending[],
  w: WeightScope,
  { features, heads, qkNorm, rotate }: AttentionShape,
): Value {
  const width = features / heads;
  const square = { inFeatures: features, outFeatures: features };
  const join = (parts: readonly Value[], axis: number) =>
    parts.length === 1 ? parts[0]! : n.op('Concat', parts, { axis });
  /** Queries or keys of all tokens: projected, normalized in each head, turned. */
  const compared = (which: 'query' | 'key') => {
    const parts = attending.map(({ tokens, names }) => {
      const projected = linear(n, tokens, w.at(names[which]), square);
      const inHeads = n.op('Reshape', [projected, n.ints(0, 0, heads, width)]);
      return qkNorm ? rmsNorm(n, inHeads, w.at(names[`${which}Norm`]), width, 1e-6) : inHeads;
    });
    const joined = join(parts, 1);
    return n.op('Reshape', [rotate ? rotate(joined) : joined, n.ints(0, 0, features)]);
  };
  const value = join(
    attending.map(({ tokens, names }) => linear(n, tokens, w.at(names.value), square)),
    1,
  );
  return attention(n, { query: compared('query'), key: compared('key'), value, channels: features, heads });
}

/** The first and the last tokens of `[batch, sequence, features]`, where `first` has as many as the first shall be. */
export function splitTokens(n: NetworkBuilder, joined: Value, first: Value): readonly [Value, Value] {
  const length = n.op('Shape', [first], { start: 1, end: 2 });
  const all = n.op('Shape', [joined], { start: 1, end: 2 });
  const axis = n.ints(1);
  return [n.op('Slice', [joined, n.ints(0), length, axis]), n.op('Slice', [joined, length, all, axis])];
}
