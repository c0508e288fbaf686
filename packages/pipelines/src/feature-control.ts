// Pictures that a painting follows by T2I-Adapters (Mou et al. 2023): read once, and added in a share of the steps.
import type { RgbImage } from '@emulsion/image';
import type { Cancellable } from '@emulsion/runtime';
import type { T2iAdapter, WeightedFeatures } from '@emulsion/t2i-adapter';
import { cpuOps, InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';
import { assertRepeatable, pixelsOf, repeatTo } from './encode-picture.ts';

/** What a request says of T2I-Adapters. */
export interface FeatureOptions {
  /** What is followed, one for each T2I-Adapter: as `controlImage`. */
  readonly adapterImage?: RgbImage | Tensor | readonly (RgbImage | Tensor)[] | undefined;
  /** How much it is followed, for all T2I-Adapters or for each; 1 unless said otherwise. */
  readonly adapterConditioningScale?: number | readonly number[] | undefined;
  /** Share of the steps, from the first one on, in which it is followed; 1 unless said otherwise. */
  readonly adapterConditioningFactor?: number | undefined;
}

/** Pictures that are followed by T2I-Adapters, all together. */
export interface FeatureControl {
  /** What is added to each block of the U-Net for so many samples: the same in all steps, and read in the first. */
  features(batch: number): Promise<readonly Tensor[]>;
  /** Whether they are followed in an evaluation, by the sampler's index of it. */
  isActive(step: number): boolean;
}

/** What is painted while pictures are followed. */
interface FollowingPainting {
  readonly pictures: number;
  readonly width: number;
  readonly height: number;
  readonly totalSteps: number;
  readonly ops: TensorOps;
}

const isList = <Item>(value: Item | readonly Item[]): value is readonly Item[] => Array.isArray(value);

const imagesOf = ({ adapterImage = [] }: FeatureOptions) =>
  isList(adapterImage) ? adapterImage : [adapterImage];

/** Pixels of the first picture that a request follows, if there is one. */
export function featureSize(options: FeatureOptions): { width: number; height: number } | undefined {
  const [image] = imagesOf(options);
  if (!image) return undefined;
  const [, , height = 0, width = 0] = pixelsOf(image).dims;
  return { width, height };
}

/**
 * Reads what a request says of the pipeline's T2I-Adapters.
 * @returns `undefined` if there are none
 * @throws {InvalidArgumentError} if there are not as many pictures as T2I-Adapters, or numbers that make no sense
 */
export function featureControl(
  adapters: readonly T2iAdapter[],
  options: FeatureOptions & Cancellable,
  { pictures, width, height, totalSteps, ops }: FollowingPainting,
): FeatureControl | undefined {
  const { adapterConditioningFactor: factor = 1, signal } = options;
  const images = imagesOf(options);
  const count = adapters.length;
  if (images.length !== count) {
    throw new InvalidArgumentError(
      `adapterImage: ${images.length} came, and this pipeline has ${count} T2I-Adapters. Give one picture for each.`,
    );
  }
  if (count === 0) return undefined;
  const scales = scalesOf(options, count);
  if (!(factor >= 0 && factor <= 1)) {
    throw new InvalidArgumentError(`adapterConditioningFactor is ${factor}. Give a share from 0 to 1.`);
  }
  const followed = images.map((image) => {
    const given = pixelsOf(image);
    assertRepeatable(given, pictures);
    const isOther = given.dims[2] !== height || given.dims[3] !== width;
    return isOther ? ops.interpolate(given, height, width, 'bilinear') : given;
  });
  const read = async () => {
    const weighted: WeightedFeatures[] = [];
    for (const [i, adapter] of adapters.entries()) {
      const features = await adapter.features(followed[i]!, { signal });
      weighted.push({ features: features.map((x) => repeatTo(cpuOps, x, rows)), scale: scales[i]! });
    }
    const { weighFeatures } = await import('@emulsion/t2i-adapter');
    const [first, ...others] = weighted;
    return weighFeatures(cpuOps, [first!, ...others]); // there is one at least
  };
  // One row serves all samples, unless the pictures differ.
  const rows = Math.max(...followed.map(({ dims }) => dims[0]!));
  let features: Promise<Tensor[]> | undefined;
  let first: number | undefined;
  return {
    async features(batch) {
      features ??= read();
      const all = await features;
      return rows === 1 ? all : all.map((x) => repeatTo(cpuOps, x, batch));
    },
    // Samplers count their evaluations from the plan's first one, or from the one that they begin with.
    isActive(step) {
      first ??= step;
      return step - first < Math.trunc(totalSteps * factor);
    },
  };
}

function scalesOf({ adapterConditioningScale = 1 }: FeatureOptions, count: number): readonly number[] {
  const scales = isList(adapterConditioningScale)
    ? adapterConditioningScale
    : Array.from({ length: count }, () => adapterConditioningScale);
  if (scales.length === count && scales.every(Number.isFinite)) return scales;
  throw new InvalidArgumentError(
    `adapterConditioningScale is [${scales.join(', ')}]; one number for all of ${count} T2I-Adapters is wanted, or one for each.`,
  );
}
