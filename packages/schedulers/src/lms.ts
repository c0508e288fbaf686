// Linear multistep method: Adams-Bashforth over noise levels that are not evenly spaced (Crowson 2022).
import type { Tensor, Term } from '@emulsion/tensor';
import { evaluate, lagrangeBasis } from './lagrange-basis.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';

export interface LmsOptions extends Omit<SamplerOptions, 'process'> {
  /** Number of derivatives that a step uses, at most 4. */
  order?: number;
}

/** Weights of the newest derivatives: the integrals of the polynomial through them, newest first. */
function lmsWeights(sigmas: readonly number[], step: number, order: number): number[] {
  const [start, end] = [sigmas[step]!, sigmas[step + 1]!];
  const points = Array.from({ length: order }, (_, k) => sigmas[step - k]! - start);
  return lagrangeBasis(points).map((basis) =>
    evaluate(basis, (power) => (end - start) ** (power + 1) / (power + 1)),
  );
}

/**
 * LMS: order up to 4, one evaluation a step; variance exploding. As in k-diffusion the order of a step is that of its
 * place in the plan, also where the plan is entered in the middle and older derivatives are missing.
 */
export function* lms(options: LmsOptions): Sampler {
  const { ops, sigmas, timesteps, order = 4, beginIndex = 0 } = options;
  const derivatives: Tensor[] = [];
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const sigma = sigmas[step]!;
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    derivatives.unshift(ops.combine([1 / sigma, sample], [-1 / sigma, denoised]));
    if (derivatives.length > order) derivatives.pop();
    const weights = lmsWeights(sigmas, step, Math.min(step + 1, order));
    sample = ops.combine([1, sample], ...derivatives.map((derivative, k): Term => [weights[k]!, derivative]));
  }
  return sample;
}
