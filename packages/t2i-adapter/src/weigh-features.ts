// Several T2I-Adapters at once: their features are added up, each with its weight (Mou et al. 2023, section 3.4).
import { InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';

/** Features of an adapter, one for each resolution, and how much they count. */
export interface WeightedFeatures {
  readonly features: readonly Tensor[];
  readonly scale: number;
}

/**
 * The weighted sum of features of adapters for one U-Net, of which there is at least one.
 * @throws {InvalidArgumentError} if they are not of the same shapes
 */
export function weighFeatures(
  ops: TensorOps,
  [first, ...others]: readonly [WeightedFeatures, ...WeightedFeatures[]],
): Tensor[] {
  const shapeOf = ({ features }: WeightedFeatures) =>
    features.map(({ dims }) => `[${dims.join(', ')}]`).join(' ');
  const stranger = others.find((other) => shapeOf(other) !== shapeOf(first));
  if (stranger) {
    throw new InvalidArgumentError(
      `t2i-adapter: one gives ${shapeOf(first)}, another ${shapeOf(stranger)}. Use adapters for the same model together.`,
    );
  }
  return first.features.map((feature, i) =>
    ops.combine(
      [first.scale, feature],
      ...others.map(({ features, scale }) => [scale, features[i]!] as const),
    ),
  );
}
