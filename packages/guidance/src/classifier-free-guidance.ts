// Classifier-free guidance (Ho and Salimans 2022).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import { assertScale } from './assert-scale.ts';
import type { Denoiser } from './denoiser.ts';
import { rescaling } from './rescaling.ts';

/** What the picture is to show, and what it is to be led away from. */
export interface Guided<Condition> {
  readonly positive: Condition;
  readonly negative: Condition;
}

/** The guided output, and that of the negative condition alone, which CFG++ samplers are sent besides. */
export interface OutputWithNegative {
  readonly modelOutput: Tensor;
  readonly negativeOutput: Tensor;
}

export interface ClassifierFreeGuidanceOptions {
  /** Scale s of `negative + s · (positive − negative)`; 1 is off, and the negative condition is not evaluated. */
  readonly guidanceScale: number;
  /** Share, from 0 to 1, of the guided output that is scaled back to the positive one's deviation; 0 unless said otherwise. */
  readonly guidanceRescale?: number;
  readonly ops: TensorOps;
}

/**
 * Wraps a denoiser so that it leads towards one condition and away from another.
 * @throws {InvalidArgumentError} if the scale is not finite or the rescaling not in [0, 1]
 */
export function classifierFreeGuidance<Condition>(
  denoiser: Denoiser<Condition>,
  options: ClassifierFreeGuidanceOptions,
): Denoiser<Guided<Condition>> {
  const guided = guidanceWithNegative(denoiser, options);
  return async (evaluations) => {
    if (options.guidanceScale === 1) {
      return denoiser(
        evaluations.map((evaluation) => ({ ...evaluation, condition: evaluation.condition.positive })),
      );
    }
    return (await guided(evaluations)).map(({ modelOutput }) => modelOutput);
  };
}

/**
 * As `classifierFreeGuidance`, for samplers that step along the negative output (CFG++, Chung et al. 2024): the
 * negative condition is evaluated with every scale, and its output given too.
 * @throws {InvalidArgumentError} as `classifierFreeGuidance`
 */
export function guidanceWithNegative<Condition>(
  denoiser: Denoiser<Condition>,
  { guidanceScale, guidanceRescale = 0, ops }: ClassifierFreeGuidanceOptions,
): Denoiser<Guided<Condition>, OutputWithNegative> {
  assertScale('guidanceScale', guidanceScale, 7.5);
  const rescale = rescaling(ops, guidanceRescale);
  return async (evaluations) => {
    const of = (which: keyof Guided<Condition>) =>
      evaluations.map((evaluation) => ({ ...evaluation, condition: evaluation.condition[which] }));
    const outputs = await denoiser([...of('negative'), ...of('positive')]);
    return evaluations.map((_, i) => {
      const [negativeOutput, positive] = [outputs[i]!, outputs[evaluations.length + i]!];
      // The difference first, as it stands: the two are much alike, and what is left of them is rounded less.
      const difference = ops.combine([1, positive], [-1, negativeOutput]);
      const guided = ops.combine([1, negativeOutput], [guidanceScale, difference]);
      return { modelOutput: rescale(guided, positive), negativeOutput };
    });
  };
}
