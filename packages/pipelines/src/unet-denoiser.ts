// A U-Net as a denoiser whose conditions are its inputs beside sample and timestep.
import type { Denoiser, Evaluation } from '@emulsion/guidance';
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { Unet, UnetInputs } from '@emulsion/unet';
import { concatChannels } from './concat-channels.ts';
import { type Control, controlResiduals } from './controls.ts';
import type { FeatureControl } from './feature-control.ts';
import { joinPrompts } from './picture-prompts.ts';

/** What a U-Net is fed beside sample and timestep; each tensor has a row for each sample. */
export interface UnetCondition
  extends Pick<UnetInputs, 'encoderHiddenStates' | 'timestepCond' | 'addedConditions'> {
  /** What some networks are told of each sample, such as the level of noise on a picture to enlarge: `[batch]`, or `[batch, channels]`. */
  readonly classLabels?: Tensor | undefined;
  /** Channels that the sample gets behind its own, as they are: `[batch, channels, height, width]`. */
  readonly appended?: Tensor | undefined;
  /** Pictures that are followed; the same list for evaluations that may run as one batch. */
  readonly controls?: readonly Control[] | undefined;
  /** Pictures that are followed by T2I-Adapters; the same for evaluations that may run as one batch. */
  readonly features?: FeatureControl | undefined;
  /** Pictures that are attended to beside the text. */
  readonly imagePrompts?: UnetInputs['imagePrompts'];
}

/** Evaluations whose conditions differ in no more than their values run as one batch, others one after the other. */
export function unetDenoiser(unet: Unet, ops: TensorOps, options: Cancellable = {}): Denoiser<UnetCondition> {
  const predict = async (
    step: number,
    sample: Tensor,
    timestep: readonly number[],
    condition: UnetCondition,
  ) => {
    const { appended, controls = [], features, imagePrompts, ...inputs } = condition;
    const residuals = await controlResiduals(controls, { ...inputs, sample, timestep }, step, ops, options);
    const adapterFeatures = features?.isActive(step) ? await features.features(sample.dims[0]!) : undefined;
    const whole = appended ? concatChannels(sample, appended) : sample;
    const asked = { ...inputs, sample: whole, timestep, residuals, adapterFeatures, imagePrompts };
    return unet.predict(asked, options);
  };
  return async (evaluations) => {
    const condition = joinConditions(
      ops,
      evaluations.map((evaluation) => evaluation.condition),
    );
    if (!condition) {
      const outputs: Tensor[] = [];
      for (const evaluation of evaluations) {
        const { step, sample } = evaluation;
        outputs.push(await predict(step, sample, timestepsOf(evaluation), evaluation.condition));
      }
      return outputs;
    }
    const sample = ops.concat(evaluations.map((evaluation) => evaluation.sample));
    const output = await predict(evaluations[0]!.step, sample, evaluations.flatMap(timestepsOf), condition);
    let start = 0;
    return evaluations.map(({ sample: { dims } }) => {
      const end = start + dims[0]!;
      const part = ops.slice(output, start, end);
      start = end;
      return part;
    });
  };
}

const timestepsOf = ({ sample, timestep }: Evaluation<UnetCondition>) =>
  Array.from({ length: sample.dims[0]! }, () => timestep);

/** The tensors of a condition; joined over several, they are those of one condition again. */
function tensorsOf(condition: UnetCondition): readonly (Tensor | undefined)[] {
  const { encoderHiddenStates, timestepCond, addedConditions, classLabels, appended } = condition;
  const { textEmbeds, timeIds } = addedConditions ?? {};
  return [encoderHiddenStates, timestepCond, textEmbeds, timeIds, classLabels, appended];
}

/** Conditions as those of one batch, if they have the same tensors and these the same dims but for the batch. */
function joinConditions(ops: TensorOps, conditions: readonly UnetCondition[]): UnetCondition | undefined {
  const { controls, features } = conditions[0]!;
  if (conditions.some((other) => other.controls !== controls || other.features !== features))
    return undefined;
  const prompts = joinPrompts(conditions.map(({ imagePrompts }) => imagePrompts));
  if (!prompts) return undefined;
  const lists = conditions.map(tensorsOf);
  const rowDims = (list: (typeof lists)[number]) => list.map((x) => x?.dims.slice(1).join()).join(';');
  if (lists.some((list) => rowDims(list) !== rowDims(lists[0]!))) return undefined;
  const join = (place: number) => lists[0]![place] && ops.concat(lists.map((list) => list[place]!));
  const [encoderHiddenStates, timestepCond, textEmbeds, timeIds, classLabels, appended] = lists[0]!.map(
    (_, place) => join(place),
  );
  return {
    encoderHiddenStates: encoderHiddenStates!,
    timestepCond,
    addedConditions: textEmbeds && timeIds && { textEmbeds, timeIds },
    classLabels,
    appended,
    controls,
    features,
    ...prompts,
  };
}
