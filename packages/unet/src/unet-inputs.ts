// From the arguments of a call to what the graph of a U-Net, or of a ControlNet, is fed.
import { timestepFeatures } from '@emulsion/nn';
import { type AnyTensor, InvalidArgumentError, ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import type { UnetEncoderConfig } from './unet-config.ts';

/** A pooled text, and numbers that describe the picture. */
export interface AddedConditions {
  /** `[batch, channels]` */
  readonly textEmbeds: Tensor;
  /**
   * `[batch, count]`: for Stable Diffusion XL height and width of the original, top and left of the crop, height and
   * width of the target, all in pixels.
   */
  readonly timeIds: Tensor;
}

/** What a U-Net without text is asked. The optional inputs are those that some models take, and others not. */
export interface Unet2dInputs {
  /** Noisy latents, scaled as the scheduler says: `[batch, inChannels, height, width]`. */
  readonly sample: Tensor;
  /** One timestep for all samples, or one for each. */
  readonly timestep: number | readonly number[];
  /** A class, or a number such as the level of noise on a picture to enlarge, for all or for each; or a vector for each. */
  readonly classLabels?: number | readonly number[] | Tensor | undefined;
}

/** What a U-Net is asked that reads a text. */
export interface UnetEncoderInputs extends Unet2dInputs {
  /** The text encoder's output: `[batch, sequence, crossAttentionDim]`. */
  readonly encoderHiddenStates: Tensor;
  /** For LCM, the guidance scale's features: `[batch, timestepCondChannels]`; without them the model guides as it was trained. */
  readonly timestepCond?: Tensor | undefined;
  /** For Stable Diffusion XL. */
  readonly addedConditions?: AddedConditions | undefined;
}

type Feeds = Record<string, AnyTensor>;
type AnyInputs = Unet2dInputs & Partial<UnetEncoderInputs>;

/**
 * What the graph of `unetEncoder` is fed.
 * @param name what messages call the network
 * @throws {ShapeError} if an input has another shape than the network takes, {InvalidArgumentError} if one is missing,
 * too many, or a class is not among those of the model
 */
export function unetEncoderFeeds(name: string, config: UnetEncoderConfig, inputs: AnyInputs): Feeds {
  const { sample, timestep } = inputs;
  const batch = sample.dims[0] ?? 0;
  assertDims(name, 'sample', sample, [undefined, config.inChannels, undefined, undefined]);
  const timesteps = perSample(name, 'timesteps', timestep, batch);
  return {
    sample,
    timestep_features: features(config, timesteps, config.downBlocks[0]!.channels),
    ...textFeed(name, config, inputs, batch),
    ...timestepCondFeed(name, config, inputs, batch),
    ...classLabelFeed(name, config, inputs, batch),
    ...addedConditionsFeed(name, config, inputs, batch),
  };
}

const features = (
  { flipSinToCos, frequencyShift }: UnetEncoderConfig,
  values: readonly number[],
  channels: number,
) => timestepFeatures(values, { channels, flipSinToCos, frequencyShift });

function textFeed(
  name: string,
  { encoderHiddenDim, crossAttentionDim }: UnetEncoderConfig,
  { encoderHiddenStates }: AnyInputs,
  batch: number,
): Feeds {
  const channels = encoderHiddenDim ?? crossAttentionDim;
  if (channels === undefined) return encoderHiddenStates ? refuse(name, 'encoderHiddenStates') : {};
  if (!encoderHiddenStates) return miss(name, 'encoderHiddenStates');
  assertDims(name, 'encoderHiddenStates', encoderHiddenStates, [batch, undefined, channels]);
  return { encoder_hidden_states: encoderHiddenStates };
}

function timestepCondFeed(
  name: string,
  { timestepCondChannels: channels }: UnetEncoderConfig,
  { timestepCond }: AnyInputs,
  batch: number,
): Feeds {
  if (channels === undefined) return timestepCond ? refuse(name, 'timestepCond') : {};
  const condition = timestepCond ?? tensor(new Float32Array(batch * channels), [batch, channels]);
  assertDims(name, 'timestepCond', condition, [batch, channels]);
  return { timestep_cond: condition };
}

function classLabelFeed(
  name: string,
  config: UnetEncoderConfig,
  { classLabels }: AnyInputs,
  batch: number,
): Feeds {
  const { classEmbedding } = config;
  if (!classEmbedding) return classLabels === undefined ? {} : refuse(name, 'classLabels');
  if (classLabels === undefined) return miss(name, 'classLabels');
  const { kind } = classEmbedding;
  if (kind !== 'table' && kind !== 'timestep') {
    const { channels } = classEmbedding;
    const vectors =
      typeof classLabels === 'object' && 'dims' in classLabels
        ? classLabels
        : tensor(new Float32Array(), [0]);
    assertDims(name, 'classLabels', vectors, [batch, channels]);
    return { class_labels: vectors };
  }
  const given =
    typeof classLabels === 'object' && 'dims' in classLabels ? [...classLabels.data] : classLabels;
  const labels = perSample(name, 'classLabels', given, batch);
  if (kind === 'timestep') return { class_labels: features(config, labels, config.downBlocks[0]!.channels) };
  const { classes } = classEmbedding;
  const stranger = labels.find((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (stranger !== undefined) {
    throw new InvalidArgumentError(
      `${name}: the class label ${stranger} is not among the ${classes} of this model. Give an integer from 0 to ${classes - 1}.`,
    );
  }
  return { class_labels: tensor(Int32Array.from(labels), [batch]) };
}

function addedConditionsFeed(
  name: string,
  config: UnetEncoderConfig,
  { addedConditions }: AnyInputs,
  batch: number,
): Feeds {
  const { addition } = config;
  if (addition?.kind !== 'text_time') return addedConditions ? refuse(name, 'addedConditions') : {};
  if (!addedConditions) return miss(name, 'addedConditions');
  const { textEmbeds, timeIds } = addedConditions;
  const { channels, timeIdChannels } = addition;
  assertDims(name, 'addedConditions.timeIds', timeIds, [batch, undefined]);
  const idChannels = timeIds.dims[1]! * timeIdChannels;
  const textChannels = channels - idChannels;
  assertDims(name, 'addedConditions.textEmbeds', textEmbeds, [batch, textChannels]);
  const ids = features(config, [...timeIds.data], timeIdChannels).data;
  const added = new Float32Array(batch * channels);
  for (let row = 0; row < batch; row++) {
    added.set(textEmbeds.data.subarray(row * textChannels, (row + 1) * textChannels), row * channels);
    added.set(ids.subarray(row * idChannels, (row + 1) * idChannels), row * channels + textChannels);
  }
  return { added_conditions: tensor(added, [batch, channels]) };
}

/** A number for each sample. */
function perSample(
  name: string,
  what: string,
  given: number | readonly number[],
  batch: number,
): readonly number[] {
  const values = typeof given === 'number' ? Array.from({ length: batch }, () => given) : given;
  if (values.length === batch) return values;
  throw new ShapeError(
    `${name}: ${values.length} ${what} came for ${batch} samples. Give one for all or one for each.`,
  );
}

function refuse(name: string, input: keyof UnetEncoderInputs): never {
  throw new InvalidArgumentError(`${name}: this model takes no "${input}". Leave it out.`);
}

function miss(name: string, input: keyof UnetEncoderInputs): never {
  throw new InvalidArgumentError(`${name}: this model takes "${input}", and none came. Give it.`);
}

/** @throws {ShapeError} if the tensor has not these dims, of which the undefined ones are free */
export function assertDims(
  name: string,
  input: string,
  { dims }: Tensor,
  wanted: readonly (number | undefined)[],
): void {
  if (dims.length === wanted.length && wanted.every((dim, axis) => dim === undefined || dim === dims[axis]))
    return;
  const expected = wanted.map((dim) => dim ?? 'any').join(', ');
  throw new ShapeError(
    `${name}: "${input}" is [${dims.join(', ')}], this model takes [${expected}]. Use the text encoder and the latents that belong to it.`,
  );
}
