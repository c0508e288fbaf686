// Linear multistep method: Adams-Bashforth over noise levels that are not evenly spaced (Crowson 2022).
import type { Tensor, Term } from '@emulsion/tensor';
import { evaluate, lagrangeBasis } from './lagrange-basis.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';

export interface LmsOptions extends Omit<SamplerOptions, 'process'> {
  /** Number of derivatives that a step uses, at most 4. */
  order?: number;
  /** Let the place in the plan decide the order, also where it is entered in the middle and older answers are missing. */
  orderByPlace?: boolean;
  /** Go straight to `denoised` where the last step ends without noise. */
  eulerAtFinal?: boolean;
}

/** Weights of the newest derivatives: the integrals of the polynomial through them, newest first. */
function lmsWeights(sigmas: readonly number[], step: number, order: number): number[] {
  const [start, end] = [sigmas[step]!, sigmas[step + 1]!];
  const points = Array.from({ length: order }, (_, k) => sigmas[step - k]! - start);
  return lagrangeBasis(points).map((basis) =>
    evaluate(basis, (power) => (end - start) ** (power + 1) / (power + 1)),
  );
}

/** LMS: order up to 4, one evaluation a step; variance exploding. */
export function* lms(options: LmsOptions): Sampler {
  const { ops, sigmas, timesteps, order = 4, beginIndex = 0 } = options;
  const { orderByPlace = false, eulerAtFinal = false } = options;
  const derivatives: Tensor[] = [];
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const sigma = sigmas[step]!;
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    derivatives.unshift(ops.combine([1 / sigma, sample], [-1 / sigma, denoised]));
    if (derivatives.length > order) derivatives.pop();
    if (eulerAtFinal && sigmas[step + 1] === 0) return denoised;
    const weights = lmsWeights(sigmas, step, orderByPlace ? Math.min(step + 1, order) : derivatives.length);
    sample = ops.combine([1, sample], ...derivatives.map((derivative, k): Term => [weights[k]!, derivative]));
  }
  return sample;
}
