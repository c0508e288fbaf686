// Classifier-free guidance (Ho and Salimans 2022), with the rescaling of Lin et al. 2023 (arXiv 2305.08891, section 3.4).
import { InvalidArgumentError, type TensorOps } from '@emulsion/tensor';
import type { Denoiser } from './denoiser.ts';

/** What the picture is to show, and what it is to be led away from. */
export interface Guided<Condition> {
  readonly positive: Condition;
  readonly negative: Condition;
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
  { guidanceScale, guidanceRescale = 0, ops }: ClassifierFreeGuidanceOptions,
): Denoiser<Guided<Condition>> {
  if (!Number.isFinite(guidanceScale)) {
    throw new InvalidArgumentError(
      `guidanceScale is ${guidanceScale}. Give a finite number; 1 is no guidance, 7.5 a usual one.`,
    );
  }
  if (!(guidanceRescale >= 0 && guidanceRescale <= 1)) {
    throw new InvalidArgumentError(
      `guidanceRescale is ${guidanceRescale}. Give a number from 0 to 1; 0 is off.`,
    );
  }
  return async (evaluations) => {
    const positives = evaluations.map((evaluation) => ({
      ...evaluation,
      condition: evaluation.condition.positive,
    }));
    if (guidanceScale === 1) return denoiser(positives);
    const negatives = evaluations.map((evaluation) => ({
      ...evaluation,
      condition: evaluation.condition.negative,
    }));
    const outputs = await denoiser([...negatives, ...positives]);
    return positives.map((_, i) => {
      const [negative, positive] = [outputs[i]!, outputs[positives.length + i]!];
      const guided = ops.combine([guidanceScale, positive], [1 - guidanceScale, negative]);
      if (guidanceRescale === 0) return guided;
      const matched = ops.matchStandardDeviation(guided, positive);
      return ops.combine([guidanceRescale, matched], [1 - guidanceRescale, guided]);
    });
  };
}
