// Folds changes into a weight or a bias for good: W' = W + Σ strength · ΔW.
import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import { lowRankDelta } from './lora/file-change.ts';
import type { WeightChange } from './module-change.ts';

/** A change and how much of it is wanted: 1 is as it was trained, negative is its opposite. */
export type Weighted<Change> = readonly [change: Change, strength: number];

/**
 * A module's weight with changes folded in. They are summed in float64, each as if it were alone, so that their order
 * does not matter; those of strength 0 leave the weight as it is, bit by bit.
 * @param base the module's own weight
 * @throws {InvalidArgumentError} if a strength is not a finite number
 */
export function mergeWeight(base: Tensor, changes: readonly Weighted<WeightChange>[]): Tensor {
  return merge('mergeWeight', base, changes, (change) =>
    change.form === 'low-rank' ? lowRankDelta(change).of(base) : change.delta(base).data,
  );
}

/** A module's bias with changes folded in, as `mergeWeight` does; for a module without a bias give zeros. */
export function mergeBias(base: Tensor, changes: readonly Weighted<Tensor>[]): Tensor {
  return merge('mergeBias', base, changes, ({ data }) => data);
}

function merge<Change>(
  where: string,
  base: Tensor,
  changes: readonly Weighted<Change>[],
  deltaOf: (change: Change) => Float32Array | Float64Array,
): Tensor {
  const sum = new Float64Array(base.data.length);
  let changed = false;
  for (const [change, strength] of changes) {
    if (!Number.isFinite(strength))
      throw new InvalidArgumentError(
        `${where}: a strength is ${strength}. Give a finite number; 1 is as trained.`,
      );
    if (strength === 0) continue;
    changed = true;
    const delta = deltaOf(change);
    for (let i = 0; i < sum.length; i++) sum[i]! += strength * delta[i]!;
  }
  const merged = base.data.slice();
  if (changed) for (let i = 0; i < sum.length; i++) merged[i] = base.data[i]! + sum[i]!;
  return tensor(merged, base.dims);
}
