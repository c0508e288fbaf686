// RePaint: inpainting with a model that knows nothing of masks, going back and forth (Lugmayr et al. 2022).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import { posteriorDeviation } from './ddim.ts';
import type { Noise, Sampler } from './sampler.ts';
import type { Prediction, Transition } from './transition.ts';

/** A step down, or a way back up through the betas of several timesteps. */
export type RepaintMove =
  | { readonly kind: 'step'; readonly transition: Transition }
  | { readonly kind: 'undo'; readonly betas: readonly number[] };

export interface RepaintOptions {
  ops: TensorOps;
  sample: Tensor;
  moves: readonly RepaintMove[];
  noise: Noise;
  /** The picture of which part is kept. */
  originalImage: Tensor;
  /** 1 where the picture is kept, 0 where it is painted; the picture's dims. */
  mask: Tensor;
  eta?: number;
}

/** RePaint (algorithm 1 with jumps): stochastic, one evaluation a step; `step` of its questions counts moves. */
export function* repaint(options: RepaintOptions): Sampler<Prediction> {
  const { ops, moves, noise, originalImage, mask, eta = 0 } = options;
  const keptImage = ops.multiply(mask, originalImage);
  let { sample } = options;
  for (const [step, move] of moves.entries()) {
    if (move.kind === 'undo') {
      for (const beta of move.betas) {
        sample = ops.combine([Math.sqrt(1 - beta), sample], [Math.sqrt(beta), noise(sample.dims)]);
      }
      continue;
    }
    const { timestep, from, to } = move.transition;
    const { denoised, noise: noisePred }: Prediction = yield {
      step,
      timestep,
      sigma: from.sigma / from.alpha,
      sample,
    };
    const drawn = noise(sample.dims);
    const deviation = eta > 0 ? eta * posteriorDeviation(move.transition) : 0;
    const direction = Math.sqrt(to.sigma ** 2 - deviation ** 2);
    const painted = ops.combine(
      [to.alpha, denoised],
      [direction, noisePred],
      [timestep > 0 ? deviation : 0, drawn],
    );
    // mask · known + (1 - mask) · painted
    sample = ops.combine(
      [to.alpha, keptImage],
      [to.sigma, ops.multiply(mask, drawn)],
      [1, painted],
      [-1, ops.multiply(mask, painted)],
    );
  }
  return sample;
}
