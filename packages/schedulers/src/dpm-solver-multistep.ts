// Multistep DPM-Solver and DPM-Solver++ (Lu et al. 2022a and b), and their stochastic relatives.
import type { Tensor, Term } from '@emulsion/tensor';
import {
  type DpmSolverType,
  dataIntegrator,
  type ExponentialIntegrator,
  type ExponentialStep,
  noiseIntegrator,
  stochasticDataIntegrator,
  stochasticNoiseIntegrator,
} from './exponential-step.ts';
import { halfLogSnr, type NoiseLevel, variancePreserving } from './noise-level.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

export interface DpmSolverMultistepOptions extends SamplerOptions {
  /** Order of the steps, 1 to 3; the first steps are of the order that their history allows. */
  order?: 1 | 2 | 3;
  solverType?: DpmSolverType;
  /** Lower the order of the last two steps when there are fewer than 15. */
  lowerOrderFinal?: boolean;
  /** Make the last step of order 1 whatever the number of steps; it is so anyway when it ends without noise. */
  eulerAtFinal?: boolean;
}

/** Weights of the answers, newest first, that a step of `order` gives them. */
function answerWeights(
  step: ExponentialStep,
  solverType: DpmSolverType,
  order: number,
  levels: readonly [to: NoiseLevel, ...from: NoiseLevel[]],
): number[] {
  if (order === 1) return [step.value];
  const lambdas = levels.map(halfLogSnr);
  const h = lambdas[0]! - lambdas[1]!;
  const r0 = (lambdas[1]! - lambdas[2]!) / h;
  if (order === 2) {
    const slope = step.slope[solverType] / r0; // D₁ = (m₀ - m₁) / r₀
    return [step.value + slope, -slope];
  }
  const r1 = (lambdas[2]! - lambdas[3]!) / h;
  // D₁ = (1 + r₀/(r₀+r₁)) D₁₀ - r₀/(r₀+r₁) D₁₁ and D₂ = 2 (D₁₀ - D₁₁)/(r₀+r₁), of D₁₀ = (m₀-m₁)/r₀, D₁₁ = (m₁-m₂)/r₁
  const bend = (r0 * step.slope.heun + 2 * step.curvature) / (r0 + r1);
  const newer = (step.slope.heun + bend) / r0;
  const older = -bend / r1;
  return [step.value + newer, older - newer, -older];
}

/** The multistep loop, for any of the integrators; adds noise if it is given some. */
export function* multistep(
  integrator: ExponentialIntegrator,
  options: DpmSolverMultistepOptions & Partial<StochasticOptions>,
): Sampler {
  const { ops, sigmas, timesteps, process = variancePreserving, beginIndex = 0 } = options;
  const { order = 2, solverType = 'midpoint', lowerOrderFinal = true, eulerAtFinal = false } = options;
  const { noise, sNoise = 1 } = options;
  const levels = sigmas.map(process);
  const count = timesteps.length;
  const few = lowerOrderFinal && count < 15;
  const answers: Tensor[] = [];
  let { sample } = options;
  for (let step = beginIndex; step < count; step++) {
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    answers.unshift(answer);
    if (answers.length > order) answers.pop();
    const first = step === count - 1 && (eulerAtFinal || few || levels[step + 1]!.sigma === 0);
    const second = step === count - 2 && few;
    const stepOrder = Math.min(answers.length, first ? 1 : second ? 2 : order);
    const [to, from] = [levels[step + 1]!, levels[step]!];
    const weights = integrator(from, to);
    const answered = answerWeights(weights, solverType, stepOrder, [
      to,
      ...levels.slice(step + 1 - stepOrder, step + 1).reverse(),
    ]).map((weight, k): Term => [weight, answers[k]!]);
    if (noise) {
      const interval = { from: sigmas[step]!, to: sigmas[step + 1]! };
      answered.push([weights.noise * sNoise, noise(sample.dims, interval)]);
    }
    sample = ops.combine([weights.sample, sample], ...answered);
  }
  return sample;
}

/** DPM-Solver++ multistep (2M and 3M): order 1 to 3, one evaluation a step; answers are `denoised`. */
export function dpmSolverPlusPlusMultistep(options: DpmSolverMultistepOptions): Sampler {
  return multistep(dataIntegrator, options);
}

/** DPM-Solver multistep: order 1 to 3, one evaluation a step; answers are the noise. It can't end without noise. */
export function dpmSolverMultistep(options: DpmSolverMultistepOptions): Sampler {
  return multistep(noiseIntegrator, options);
}

/**
 * SDE-DPM-Solver++ multistep (2M SDE and 3M SDE): stochastic, one evaluation a step; answers are `denoised`.
 * @param options.eta amount of noise: 1 is that of the reverse-time diffusion, 0 none
 */
export function sdeDpmSolverPlusPlusMultistep(
  options: DpmSolverMultistepOptions & StochasticOptions & { eta?: number },
): Sampler {
  return multistep((from, to) => stochasticDataIntegrator(from, to, options.eta), options);
}

/** SDE-DPM-Solver multistep: order 1 or 2, stochastic; answers are the noise. It can't end without noise. */
export function sdeDpmSolverMultistep(
  options: DpmSolverMultistepOptions & StochasticOptions & { order?: 1 | 2 },
): Sampler {
  return multistep(stochasticNoiseIntegrator, options);
}
