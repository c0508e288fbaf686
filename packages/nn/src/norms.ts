// Layer normalization (Ba et al. 2016) and group normalization (Wu and He 2018).
import { float, type Value } from '@emulsion/onnx';
import { tensor } from '@emulsion/tensor';
import { changedNorm } from './adapter-slots.ts';
import type { NetworkBuilder } from './network-builder.ts';
import type { WeightScope } from './weight-scope.ts';

/** Layer normalization over the last axis, which has `features` elements. */
export function layerNorm(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  features: number,
  epsilon = 1e-5,
): Value {
  const get = (of: 'weight' | 'bias') => changedNorm(n, w.value(n, of, [features]), w.path, of, [features]);
  const [scale, shift] = [get('weight'), get('bias')];
  return n.op(
    'LayerNormalization',
    [x, scale, shift],
    { axis: -1, epsilon: float(epsilon) },
    { name: w.path },
  );
}

export interface GroupNormShape {
  readonly channels: number;
  readonly groups: number;
  readonly epsilon: number;
}

/**
 * Group normalization of `[batch, channels, …]`: a normalization of each group, for which execution providers have fast
 * kernels, then scale and shift of each channel.
 */
export function groupNorm(n: NetworkBuilder, x: Value, w: WeightScope, shape: GroupNormShape): Value {
  if (n.normalizeGroups) return n.normalizeGroups(x, w, shape);
  const { channels, groups, epsilon } = shape;
  const grouped = n.op('Reshape', [x, n.ints(0, groups, -1)]);
  const normalized =
    n.dialect.groupNorm === 'layer'
      ? n.op(
          'LayerNormalization',
          [grouped, n.constant(tensor([1], [1]))],
          { axis: -1, epsilon: float(epsilon) },
          { name: w.path },
        )
      : n.op(
          'InstanceNormalization',
          [
            grouped,
            n.constant(tensor(new Float32Array(groups).fill(1), [groups])),
            n.constant(tensor(new Float32Array(groups), [groups])),
          ],
          { epsilon: float(epsilon) },
          { name: w.path },
        );
  const restored = n.op('Reshape', [normalized, n.op('Shape', [x])]);
  const get = (of: 'weight' | 'bias') =>
    changedNorm(n, w.value(n, of, [channels, 1, 1]), w.path, of, [channels, 1, 1]);
  const [scale, shift] = [get('weight'), get('bias')];
  return n.op('Add', [n.op('Mul', [restored, scale]), shift]);
}
