// A U-Net as a denoiser whose conditions are its inputs beside sample and timestep.
import type { Denoiser, Evaluation } from '@emulsion/guidance';
import { type Cancellable, hostWorkspace, type Workspace } from '@emulsion/runtime';
import { cpuOps, type Tensor, type TensorOps } from '@emulsion/tensor';
import type { Unet, UnetInputs } from '@emulsion/unet';
import { type Control, controlResiduals } from './controls.ts';
import type { FeatureControl } from './feature-control.ts';
import { joinPrompts } from './join-prompts.ts';
import { stepProgress } from './step-progress.ts';

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

export interface UnetDenoiserOptions extends Cancellable {
  /** How many evaluations the sampler makes, for adapters whose strength changes on the way. */
  readonly totalSteps?: number | undefined;
}

/**
 * Evaluations whose conditions differ in no more than their values run as one batch, others one after the other.
 * @param workspace where the outputs lie; in memory unless given
 */
export function unetDenoiser(
  unet: Pick<Unet, 'predict'>,
  workspace: Workspace = hostWorkspace,
  { totalSteps, ...options }: UnetDenoiserOptions = {},
): Denoiser<UnetCondition> {
  const { ops } = workspace;
  const join = joiner(workspace);
  const progressAt = stepProgress(totalSteps);
  const predict = async (
    step: number,
    sample: Tensor,
    timestep: readonly number[],
    condition: UnetCondition,
  ) => {
    const { appended, controls = [], features, imagePrompts, ...inputs } = condition;
    const followed = { ...inputs, sample, timestep };
    const residuals = await controlResiduals(controls, followed, step, workspace, options);
    const whole = appended ? ops.concat([sample, appended], 1) : sample;
    const progress = progressAt(step);
    const adapterFeatures = features?.isActive(step) ? await features.features(sample.dims[0]!) : undefined;
    const asked = { ...inputs, sample: whole, timestep, residuals, adapterFeatures, imagePrompts, progress };
    const output = await unet.predict(asked, { ...options, workspace });
    if (appended) workspace.release(whole);
    if (residuals) workspace.release(...residuals.downBlockResiduals, residuals.midBlockResidual);
    return output;
  };
  return async (evaluations) => {
    const condition = join(evaluations.map((evaluation) => evaluation.condition));
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
    const parts = evaluations.map(({ sample: { dims } }) => {
      const end = start + dims[0]!;
      const part = ops.slice(output, start, end);
      start = end;
      return part;
    });
    workspace.release(sample, output);
    return parts;
  };
}

const timestepsOf = ({ sample, timestep }: Evaluation<UnetCondition>) =>
  Array.from({ length: sample.dims[0]! }, () => timestep);

/** The tensors that go to the network as they are. */
const fedOf = ({ encoderHiddenStates, timestepCond, appended }: UnetCondition) => [
  encoderHiddenStates,
  timestepCond,
  appended,
];

/** The tensors of which inputs of the network are worked out, on the host. */
const readOf = ({ addedConditions, classLabels }: UnetCondition) => [
  addedConditions?.textEmbeds,
  addedConditions?.timeIds,
  classLabels,
];

/** Joins conditions as those of one batch, each list of them once: the steps ask for the same ones. */
function joiner({ ops }: Workspace) {
  const known: { readonly of: readonly UnetCondition[]; readonly joined: UnetCondition | undefined }[] = [];
  return (conditions: readonly UnetCondition[]): UnetCondition | undefined => {
    const isSame = (others: readonly UnetCondition[]) =>
      others.length === conditions.length && others.every((other, i) => other === conditions[i]);
    const found = known.find(({ of }) => isSame(of));
    if (found) return found.joined;
    const joined = joinConditions(ops, conditions);
    known.push({ of: conditions, joined });
    return joined;
  };
}

/** Conditions as those of one batch, if they have the same tensors and these the same dims but for the batch. */
function joinConditions(ops: TensorOps, conditions: readonly UnetCondition[]): UnetCondition | undefined {
  const { controls, features } = conditions[0]!;
  if (conditions.some((other) => other.controls !== controls || other.features !== features))
    return undefined;
  const prompts = joinPrompts(conditions.map(({ imagePrompts }) => imagePrompts));
  if (!prompts) return undefined;
  const rowDims = (condition: UnetCondition) =>
    [...fedOf(condition), ...readOf(condition)].map((x) => x?.dims.slice(1).join()).join(';');
  if (conditions.some((condition) => rowDims(condition) !== rowDims(conditions[0]!))) return undefined;
  const join = (by: TensorOps, tensorsOf: typeof fedOf | typeof readOf) => {
    const lists = conditions.map(tensorsOf);
    return lists[0]!.map((x, place) => x && by.concat(lists.map((list) => list[place]!)));
  };
  const [encoderHiddenStates, timestepCond, appended] = join(ops, fedOf);
  const [textEmbeds, timeIds, classLabels] = join(cpuOps, readOf);
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
