// DEIS: an exponential integrator whose polynomial is in log ρ, ρ = σ/α (Zhang and Chen 2023, "logrho").
import type { Tensor, Term } from '@emulsion/tensor';
import { evaluate, lagrangeBasis } from './lagrange-basis.ts';
import { variancePreserving } from './noise-level.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';

export interface DeisOptions extends SamplerOptions {
  /** Order of the steps, 1 to 3; the first steps are of the order that their history allows. */
  order?: number;
  /** Lower the order of the last two steps when there are fewer than 15. */
  lowerOrderFinal?: boolean;
}

/** ∫ (log ρ)^power dρ. */
function logPowerIntegral(rho: number, power: number): number {
  const log = Math.log(rho);
  let integral = rho;
  for (let k = 1; k <= power; k++) integral = rho * log ** k - k * integral;
  return integral;
}

/** DEIS: order up to 3, one evaluation a step; answers are the noise. It can't end without noise. */
export function* deis(options: DeisOptions): Sampler {
  const { ops, sigmas, timesteps, process = variancePreserving, beginIndex = 0 } = options;
  const { order = 2, lowerOrderFinal = true } = options;
  const levels = sigmas.map(process);
  const rhos = levels.map(({ alpha, sigma }) => sigma / alpha);
  const few = lowerOrderFinal && timesteps.length < 15;
  const answers: Tensor[] = [];
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    answers.unshift(answer);
    if (answers.length > order) answers.pop();
    const stepOrder = few ? Math.min(answers.length, timesteps.length - step) : answers.length;
    const points = rhos
      .slice(step + 1 - stepOrder, step + 1)
      .reverse()
      .map(Math.log);
    const [from, to] = [levels[step]!, levels[step + 1]!];
    const terms = lagrangeBasis(points).map((basis, k): Term => {
      const integral = (rho: number) => evaluate(basis, (power) => logPowerIntegral(rho, power));
      return [to.alpha * (integral(rhos[step + 1]!) - integral(rhos[step]!)), answers[k]!];
    });
    sample = ops.combine([to.alpha / from.alpha, sample], ...terms);
  }
  return sample;
}
