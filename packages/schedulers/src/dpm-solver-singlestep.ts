// Singlestep DPM-Solver and DPM-Solver++ (Lu et al. 2022a and b).
import type { Tensor, Term } from '@emulsion/tensor';
import {
  type DpmSolverType,
  dataIntegrator,
  type ExponentialIntegrator,
  type ExponentialStep,
  noiseIntegrator,
  stochasticDataIntegrator,
} from './exponential-step.ts';
import { halfLogSnr, type NoiseLevel, variancePreserving } from './noise-level.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

export interface DpmSolverSinglestepOptions extends SamplerOptions {
  /**
   * Order of what each evaluation leads to: 1 starts a step and leads on by order 1, a 2 or 3 after it starts over from
   * there with the answers since, and leads further.
   */
  orders: readonly number[];
  solverType?: DpmSolverType;
}

/**
 * Orders for `count` evaluations, in groups of up to `order`.
 * @param lowerOrderFinal end with lower orders, whatever the count; else it must be a multiple of `order`
 */
export function singlestepOrders(count: number, order: 1 | 2 | 3, lowerOrderFinal: boolean): number[] {
  const group = [1, 2, 3].slice(0, order);
  const repeat = (times: number) => Array.from({ length: Math.max(0, times) }, () => group).flat();
  const whole = Math.floor(count / order);
  const rest = count % order;
  if (order === 1 || !lowerOrderFinal) return repeat(whole);
  // The last evaluation leads to the end by order 1 or 2.
  if (rest > 0) return [...repeat(whole), ...group.slice(0, rest)];
  return [...repeat(whole - 1), ...group.slice(0, order - 1), 1];
}

/** Weights of the answers since the start of the step, newest first. */
function answerWeights(
  step: ExponentialStep,
  solverType: DpmSolverType,
  to: NoiseLevel,
  levels: readonly NoiseLevel[],
): number[] {
  if (levels.length === 1) return [step.value];
  const start = halfLogSnr(levels.at(-1)!);
  const h = halfLogSnr(to) - start;
  const [r0, r1] = levels.map((level) => (halfLogSnr(level) - start) / h);
  if (levels.length === 2) {
    const slope = step.slope[solverType] / r0!; // D₁ = (m₀ - m₁) / r₀
    return [slope, step.value - slope];
  }
  if (solverType === 'midpoint') {
    const slope = step.slope.heun / r0!; // D₁ = (m₀ - m₂) / r₀
    return [slope, 0, step.value - slope];
  }
  // D₁ = (r₀ D₁₀ - r₁ D₁₁)/(r₀ - r₁) and D₂ = 2 (D₁₁ - D₁₀)/(r₀ - r₁), of D₁₀ = (m₁-m₂)/r₁, D₁₁ = (m₀-m₂)/r₀
  const newer = (2 * step.curvature - r1! * step.slope.heun) / (r0! - r1!) / r0!;
  const older = (r0! * step.slope.heun - 2 * step.curvature) / (r0! - r1!) / r1!;
  return [newer, older, step.value - newer - older];
}

/** The singlestep loop, for any of the integrators; adds noise if it is given some. */
export function* singlestep(
  integrator: ExponentialIntegrator,
  options: DpmSolverSinglestepOptions & Partial<StochasticOptions>,
): Sampler {
  const { ops, sigmas, timesteps, process = variancePreserving, beginIndex = 0 } = options;
  const { orders, solverType = 'midpoint', noise, sNoise = 1 } = options;
  const levels = sigmas.map(process);
  const answers: Tensor[] = [];
  let { sample } = options;
  let start = sample;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    answers.unshift(answer);
    const order = Math.min(orders[step]!, answers.length);
    if (order === 1) start = sample;
    const since = levels.slice(step + 1 - order, step + 1).reverse();
    const to = levels[step + 1]!;
    const weights = integrator(since.at(-1)!, to);
    const terms = answerWeights(weights, solverType, to, since).map(
      (weight, k): Term => [weight, answers[k]!],
    );
    if (noise)
      terms.push([
        weights.noise * sNoise,
        noise(sample.dims, { from: sigmas[step]!, to: sigmas[step + 1]! }),
      ]);
    sample = ops.combine([weights.sample, start], ...terms);
    answers.length = Math.min(answers.length, 2);
  }
  return sample;
}

/** DPM-Solver++ singlestep (2S and 3S): as many evaluations a step as its order; answers are `denoised`. */
export function dpmSolverPlusPlusSinglestep(options: DpmSolverSinglestepOptions): Sampler {
  return singlestep(dataIntegrator, options);
}

/** DPM-Solver singlestep (DPM-Solver-2 and -3): answers are the noise. It can't end without noise. */
export function dpmSolverSinglestep(options: DpmSolverSinglestepOptions): Sampler {
  return singlestep(noiseIntegrator, options);
}

/** SDE-DPM-Solver++ singlestep: stochastic; answers are `denoised`. */
export function sdeDpmSolverPlusPlusSinglestep(
  options: DpmSolverSinglestepOptions & StochasticOptions & { eta?: number },
): Sampler {
  return singlestep((from, to) => stochasticDataIntegrator(from, to, options.eta), options);
}
