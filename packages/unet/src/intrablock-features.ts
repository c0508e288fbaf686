// What T2I-Adapters add on the way down of a U-Net (Mou et al. 2023), diffusers' down_intrablock_additional_residuals.
import type { NetworkBuilder } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import { InvalidArgumentError, ShapeError, type Tensor, zeros } from '@emulsion/tensor';
import { levelSizes } from './image-prompts.ts';
import type { UnetEncoderConfig } from './unet-config.ts';

/** Adds what came for a block to its features; the last entry is the middle's. */
export type AddFeatures = (x: Value, block: number) => Value;

/** Blocks that can be added to: those of the way down and the middle. */
const placesOf = ({ downBlocks }: UnetEncoderConfig) => downBlocks.length + 1;

/** Whether a block's features are what its layers give, before it halves them; else what it passes on. */
export const addsBeforeHalving = ({ downBlocks }: UnetEncoderConfig, block: number): boolean =>
  downBlocks[block]!.attention === 'text' || block === downBlocks.length - 1;

/** Writes the inputs: `intrablock_feature_0` and so on, each of the shape of what it is added to, or `[1, 1, 1, 1]`. */
export function intrablockInputs(n: NetworkBuilder, config: UnetEncoderConfig): AddFeatures {
  const inputs = Array.from({ length: placesOf(config) }, (_, i) =>
    n.input(`intrablock_feature_${i}`, 'float32', Array(4).fill(undefined)),
  );
  return (x, block) => n.op('Add', [inputs[block]!, x]);
}

/** Channels and size of the features of each block, and of the middle. */
function featureShapes(config: UnetEncoderConfig, dims: readonly number[]): readonly (readonly number[])[] {
  const sizes = levelSizes(config, dims);
  const { downBlocks } = config;
  const shapes = downBlocks.map(({ channels }, i) => {
    const { height, width } = sizes[addsBeforeHalving(config, i) ? i : i + 1]!;
    return [channels, height, width];
  });
  return [...shapes, shapes.at(-1)!];
}

/**
 * What those inputs are fed, for a sample of these dims; without features one 0 for each.
 * @throws {ShapeError} if a feature has another shape, {InvalidArgumentError} if there are more than blocks
 */
export function intrablockFeeds(
  config: UnetEncoderConfig,
  features: readonly Tensor[] | undefined,
  dims: readonly number[],
): Record<string, Tensor> {
  const shapes = featureShapes(config, dims);
  if (features && features.length > shapes.length) {
    throw new InvalidArgumentError(
      `unet: ${features.length} features of a T2I-Adapter came for ${shapes.length - 1} blocks and the middle. Use a T2I-Adapter that was trained for this model.`,
    );
  }
  return Object.fromEntries(
    shapes.map((shape, i) => {
      const feature = features?.[i];
      if (feature) assertFeature(feature, i, [dims[0]!, ...shape]);
      return [`intrablock_feature_${i}`, feature ?? zeros([1, 1, 1, 1])];
    }),
  );
}

function assertFeature({ dims }: Tensor, block: number, wanted: readonly number[]): void {
  const [batch, ...shape] = wanted;
  const fits = dims.length === 4 && shape.every((size, i) => size === dims[i + 1]);
  if (fits && (dims[0] === 1 || dims[0] === batch)) return;
  throw new ShapeError(
    `unet: feature ${block} of a T2I-Adapter is [${dims.join(', ')}], this model takes [1 or ${batch}, ${shape.join(', ')}] for such samples. Use a T2I-Adapter that was trained for this model, and a picture of the painting's size.`,
  );
}
