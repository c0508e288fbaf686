// A U-Net as a denoiser whose conditions are its inputs beside sample and timestep.
import type { Denoiser, Evaluation } from '@emulsion/guidance';
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { Unet } from '@emulsion/unet';
import { concatChannels } from './concat-channels.ts';

/** What a U-Net is fed beside sample and timestep; each tensor has a row for each sample. */
export interface UnetCondition {
  /** The text encoder's output: `[batch, sequence, crossAttentionDim]`. */
  readonly encoderHiddenStates: Tensor;
  /** Channels that the sample gets behind its own, as they are: `[batch, channels, height, width]`. */
  readonly appended?: Tensor | undefined;
}

const conditionNames = [
  'encoderHiddenStates',
  'appended',
] as const satisfies readonly (keyof UnetCondition)[];

/** Evaluations whose conditions differ in no more than their values run as one batch, others one after the other. */
export function unetDenoiser(unet: Unet, ops: TensorOps, options: Cancellable = {}): Denoiser<UnetCondition> {
  const predict = (sample: Tensor, timestep: readonly number[], condition: UnetCondition) => {
    const { appended, ...inputs } = condition;
    const whole = appended ? concatChannels(sample, appended) : sample;
    return unet.predict({ ...inputs, sample: whole, timestep }, options);
  };
  return async (evaluations) => {
    const condition = joinConditions(
      ops,
      evaluations.map((evaluation) => evaluation.condition),
    );
    if (!condition) {
      const outputs: Tensor[] = [];
      for (const evaluation of evaluations)
        outputs.push(await predict(evaluation.sample, timestepsOf(evaluation), evaluation.condition));
      return outputs;
    }
    const sample = ops.concat(evaluations.map((evaluation) => evaluation.sample));
    const output = await predict(sample, evaluations.flatMap(timestepsOf), condition);
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

/** Conditions as those of one batch, if they have the same tensors and these the same dims but for the batch. */
function joinConditions(ops: TensorOps, conditions: readonly UnetCondition[]): UnetCondition | undefined {
  const rowDims = (condition: UnetCondition) =>
    conditionNames.map((name) => condition[name]?.dims.slice(1).join() ?? '').join(';');
  const [first, ...others] = conditions;
  if (!first || others.some((other) => rowDims(other) !== rowDims(first))) return undefined;
  const joined = conditionNames
    .filter((name) => first[name])
    .map((name) => [name, ops.concat(conditions.map((condition) => condition[name]!))]);
  // It has the tensors that each of them has.
  return Object.fromEntries(joined) as UnetCondition;
}
