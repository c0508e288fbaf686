// Pictures that a painting follows by ControlNets (Zhang et al. 2023): which, how much, and in which of the steps.
import { addResiduals, type ControlNet, type ControlNetInputs } from '@emulsion/controlnet';
import type { RgbImage } from '@emulsion/image';
import type { Cancellable, Workspace } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';
import type { ControlResiduals } from '@emulsion/unet';
import { assertRepeatable, pixelsOf, repeatTo } from './encode-picture.ts';

/** What a request says of ControlNets. Numbers are one for all of the pipeline's, or one for each. */
export interface ControlOptions {
  /** What is followed, one for each ControlNet: bytes, or `[1 or pictures, channels, height, width]` in [0, 1]; resized to what is painted. */
  readonly controlImage?: RgbImage | Tensor | readonly (RgbImage | Tensor)[] | undefined;
  /** How much it is followed; 1 unless said otherwise. */
  readonly controlnetConditioningScale?: number | readonly number[] | undefined;
  /** Follow it without help of a prompt: only the positive condition is led, and finer residuals count less. */
  readonly guessMode?: boolean | undefined;
  /** Shares of the steps between which it is followed, from 0 to 1; 0 and 1 unless said otherwise. */
  readonly controlGuidanceStart?: number | readonly number[] | undefined;
  readonly controlGuidanceEnd?: number | readonly number[] | undefined;
}

/** One picture to follow. */
export interface Control {
  readonly controlNet: ControlNet;
  readonly picture: Tensor;
  readonly conditioningScale: number;
  readonly guessMode: boolean;
  /** Whether it is followed in an evaluation, by the sampler's index of it. */
  isActive(step: number): boolean;
}

const imagesOf = ({ controlImage = [] }: ControlOptions) =>
  isList(controlImage) ? controlImage : [controlImage];

/** Pixels of the first picture that a request follows, if there is one. */
export function controlSize(options: ControlOptions): { width: number; height: number } | undefined {
  const [image] = imagesOf(options);
  if (!image) return undefined;
  const [, , height = 0, width = 0] = pixelsOf(image).dims;
  return { width, height };
}

/** The pictures that a request follows, under each of its conditions. */
export interface GuidedControls {
  readonly positive: readonly Control[];
  readonly negative: readonly Control[];
}

/** What is painted while pictures are followed. */
export interface ControlledPainting {
  /** How many are painted, and their size in pixels. */
  readonly pictures: number;
  readonly width: number;
  readonly height: number;
  /** How many evaluations the sampler makes. */
  readonly totalSteps: number;
  readonly ops: TensorOps;
}

/**
 * Reads what a request says of the pipeline's ControlNets.
 * @throws {InvalidArgumentError} if there are not as many pictures as ControlNets, or numbers that make no sense
 */
export function guidedControls(
  controlNets: readonly ControlNet[],
  options: ControlOptions,
  { pictures, width, height, totalSteps, ops }: ControlledPainting,
): GuidedControls {
  const { guessMode = false } = options;
  const images = imagesOf(options);
  const count = controlNets.length;
  if (images.length !== count) {
    throw new InvalidArgumentError(
      `controlImage: ${images.length} came, and this pipeline has ${count} ControlNets. Give one picture for each.`,
    );
  }
  const scales = forEach('controlnetConditioningScale', options.controlnetConditioningScale ?? 1, count);
  const starts = forEach('controlGuidanceStart', options.controlGuidanceStart ?? 0, count);
  const ends = forEach('controlGuidanceEnd', options.controlGuidanceEnd ?? 1, count);
  // Samplers count their evaluations from the plan's first one, or from the one that they begin with.
  let first: number | undefined;
  const controls = controlNets.map((controlNet, i): Control => {
    const [start, end] = [starts[i]!, ends[i]!];
    if (!(start >= 0 && start < end && end <= 1)) {
      throw new InvalidArgumentError(
        `controlGuidanceStart is ${start} and controlGuidanceEnd ${end}. Give shares from 0 to 1, the start below the end.`,
      );
    }
    const given = pixelsOf(images[i]!);
    assertRepeatable(given, pictures);
    const isOther = given.dims[2] !== height || given.dims[3] !== width;
    const picture = isOther ? ops.interpolate(given, height, width, 'bilinear') : given;
    return {
      controlNet,
      picture,
      conditioningScale: scales[i]!,
      guessMode: guessMode || controlNet.config.globalPoolConditions,
      isActive: (step) => {
        first ??= step;
        const done = step - first;
        return done / totalSteps >= start && (done + 1) / totalSteps <= end;
      },
    };
  });
  return { positive: controls, negative: controls.some((control) => control.guessMode) ? [] : controls };
}

/**
 * What the ControlNets add to an evaluation of the U-Net, `undefined` if none is active.
 * @param inputs of the U-Net
 * @param step the sampler's index of the evaluation
 */
export async function controlResiduals(
  controls: readonly Control[],
  inputs: Omit<ControlNetInputs, 'controlnetCond'>,
  step: number,
  workspace: Workspace,
  options: Cancellable,
): Promise<ControlResiduals | undefined> {
  const { ops } = workspace;
  const residuals: ControlResiduals[] = [];
  for (const { controlNet, picture, conditioningScale, guessMode, isActive } of controls) {
    if (!isActive(step)) continue;
    const { timestepCondChannels, addition } = controlNet.config;
    const controlnetCond = repeatTo(ops, picture, inputs.sample.dims[0]!);
    const asked = {
      ...inputs,
      // A ControlNet may do without what its U-Net takes besides.
      timestepCond: timestepCondChannels === undefined ? undefined : inputs.timestepCond,
      addedConditions: addition === undefined ? undefined : inputs.addedConditions,
      controlnetCond,
      conditioningScale,
      guessMode,
    };
    residuals.push(await controlNet.predict(asked, { ...options, workspace }));
    if (controlnetCond !== picture) workspace.release(controlnetCond);
  }
  const [first, ...others] = residuals;
  if (!first || others.length === 0) return first;
  const sum = addResiduals(ops, [first, ...others]);
  for (const { downBlockResiduals, midBlockResidual } of residuals)
    workspace.release(...downBlockResiduals, midBlockResidual);
  return sum;
}

const isList = <Item>(value: Item | readonly Item[]): value is readonly Item[] => Array.isArray(value);

/** A number for each of `count`. */
function forEach(name: string, value: number | readonly number[], count: number): readonly number[] {
  const values = isList(value) ? value : Array.from({ length: count }, () => value);
  if (values.length === count && values.every(Number.isFinite)) return values;
  throw new InvalidArgumentError(
    `${name} is [${values.join(', ')}]; one number for all of ${count} ControlNets is wanted, or one for each.`,
  );
}
