// Guidance by a picture and a text at once (Brooks et al. 2022, InstructPix2Pix, eq. 3).
import type { TensorOps } from '@emulsion/tensor';
import { assertScale } from './assert-scale.ts';
import type { Denoiser } from './denoiser.ts';
import { rescaling } from './rescaling.ts';

/** The instruction with the picture, the picture alone, and neither. */
export interface Instructed<Condition> {
  readonly both: Condition;
  readonly image: Condition;
  readonly neither: Condition;
}

export interface InstructPix2PixGuidanceOptions {
  /** Scale s_T of `neither + s_I · (image − neither) + s_T · (both − image)`: how closely the text is followed. */
  readonly guidanceScale: number;
  /** Scale s_I: how much is kept of the picture. */
  readonly imageGuidanceScale: number;
  /** Share, from 0 to 1, of the guided output that is scaled back to the deviation of `both`; 0 unless said otherwise. */
  readonly guidanceRescale?: number;
  readonly ops: TensorOps;
}

/**
 * Wraps a denoiser so that it leads towards an instruction and towards the picture that it is about, each by its own
 * scale.
 * @throws {InvalidArgumentError} if a scale is not finite, or `guidanceRescale` is not from 0 to 1
 */
export function instructPix2PixGuidance<Condition>(
  denoiser: Denoiser<Condition>,
  { guidanceScale, imageGuidanceScale, guidanceRescale = 0, ops }: InstructPix2PixGuidanceOptions,
): Denoiser<Instructed<Condition>> {
  assertScale('guidanceScale', guidanceScale, 7.5);
  assertScale('imageGuidanceScale', imageGuidanceScale, 1.5);
  const rescale = rescaling(ops, guidanceRescale);
  return async (evaluations) => {
    const of = (which: keyof Instructed<Condition>) =>
      evaluations.map((evaluation) => ({ ...evaluation, condition: evaluation.condition[which] }));
    const outputs = await denoiser([...of('both'), ...of('image'), ...of('neither')]);
    const count = evaluations.length;
    return evaluations.map((_, i) => {
      const [both, image, neither] = [outputs[i]!, outputs[count + i]!, outputs[2 * count + i]!];
      // The differences first, as they stand: the outputs are much alike, and what is left of them is rounded less.
      const text = ops.combine([1, both], [-1, image]);
      const picture = ops.combine([1, image], [-1, neither]);
      const guided = ops.combine([1, neither], [guidanceScale, text], [imageGuidanceScale, picture]);
      return rescale(guided, both);
    });
  };
}
