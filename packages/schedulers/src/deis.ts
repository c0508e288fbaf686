// DEIS: an exponential integrator whose polynomial is in log ρ, ρ = σ/α (Zhang and Chen 2023, "logrho").
import type { Tensor, Term } from '@emulsion/tensor';
import { exponentialIntegral } from './exponential-integral.ts';
import { evaluate, lagrangeBasis } from './lagrange-basis.ts';
import { halfLogSnr, variancePreserving } from './noise-level.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';

export interface DeisOptions extends SamplerOptions {
  /** Order of the steps, 1 to 3; the first steps are of the order that their history allows. */
  order?: number;
  /** Lower the order of the last two steps when there are fewer than 15. */
  lowerOrderFinal?: boolean;
}

/** DEIS: order up to 3, one evaluation a step; answers are the noise. It can't end without noise. */
export function* deis(options: DeisOptions): Sampler {
  const { ops, sigmas, timesteps, process = variancePreserving, beginIndex = 0 } = options;
  const { order = 2, lowerOrderFinal = true } = options;
  const levels = sigmas.map(process);
  const logRhos = levels.map((level) => -halfLogSnr(level));
  const few = lowerOrderFinal && timesteps.length < 15;
  const answers: Tensor[] = [];
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    answers.unshift(answer);
    if (answers.length > order) answers.pop();
    const stepOrder = few ? Math.min(answers.length, timesteps.length - step) : answers.length;
    const [from, to] = [levels[step]!, levels[step + 1]!];
    // In u = log ρ - log ρ of the step's end, dρ is ρ e^u du.
    const end = logRhos[step + 1]!;
    const known = logRhos.slice(step + 1 - stepOrder, step + 1).reverse();
    const terms = lagrangeBasis(known.map((log) => log - end)).map((basis, k): Term => {
      // ρ falls: the integral goes from the step's start, above 0, to its end.
      const integral = evaluate(basis, (power) => exponentialIntegral(1, power, end - logRhos[step]!));
      return [to.sigma * integral, answers[k]!];
    });
    sample = ops.combine([to.alpha / from.alpha, sample], ...terms);
  }
  return sample;
}
