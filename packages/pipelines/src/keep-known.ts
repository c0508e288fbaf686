// Inpainting with a network that was not trained for it (Lugmayr et al. 2022, eq. 8): what is known of the picture is put back before every step.
import type { NetworkSampler, Question, Scheduler } from '@emulsion/schedulers';
import type { Tensor, TensorOps } from '@emulsion/tensor';

/** What is known of a picture, and where. */
export interface Known {
  /** Clean latents `[batch, channels, height, width]`. */
  readonly original: Tensor;
  /** The noise that is on them wherever they are put back; same dims. */
  readonly noise: Tensor;
  /** 1 where the picture is painted, 0 where it is known; same dims. */
  readonly mask: Tensor;
}

/**
 * A sampler whose questions, but for the first, show what is known with the noise of their level, and that ends with it
 * as it is. The sampler goes on with its own state: arithmetic that leaves each element to itself can't tell.
 */
export function* keepKnown(
  sampler: NetworkSampler,
  { original, noise, mask }: Known,
  scheduler: Scheduler,
  ops: TensorOps,
): NetworkSampler {
  const inverse = ops.affine(mask, -1, 1);
  const blend = (own: Tensor, known: Tensor) =>
    ops.combine([1, ops.multiply(mask, own)], [1, ops.multiply(inverse, known)]);
  const withKnown = (question: Question): Question => {
    const known = scheduler.noisedAt({ question, sample: original, noise, ops });
    return {
      ...question,
      state: blend(question.state, known.state),
      sample: blend(question.sample, known.sample),
    };
  };
  let turn = sampler.next();
  for (let first = true; !turn.done; first = false) {
    turn = sampler.next(yield first ? turn.value : withKnown(turn.value));
  }
  return blend(turn.value, original);
}
