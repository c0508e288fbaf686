// SA-Solver: stochastic Adams-Bashforth with an Adams-Moulton corrector (Xue et al. 2023).
import type { Tensor, Term } from '@emulsion/tensor';
import { exponentialIntegral } from './exponential-integral.ts';
import { evaluate, lagrangeBasis } from './lagrange-basis.ts';
import { halfLogSnr, type NoiseLevel, variancePreserving } from './noise-level.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

export interface SaSolverOptions extends SamplerOptions, StochasticOptions {
  predictorOrder?: number;
  /** Order of the corrector, which has the newest answer besides. */
  correctorOrder?: number;
  /** Whether the answers are `denoised`; the noise otherwise. */
  predictDenoised?: boolean;
  /** Lower the order towards the end. */
  lowerOrderFinal?: boolean;
  /** Amount of noise at a timestep: 0 is the probability flow, 1 the reverse-time diffusion. */
  tau?: (timestep: number) => number;
}

/** The paper's choice for pictures: noise between timesteps 200 and 800. */
export const middleTau = (timestep: number) => (timestep >= 200 && timestep <= 800 ? 1 : 0);

/** What an update leads from, and to. */
interface Interval {
  readonly predictDenoised: boolean;
  readonly from: NoiseLevel;
  readonly to: NoiseLevel;
  readonly tau: number;
}

/** Weights of the answers at `levels` (eq. 14 to 17), for a polynomial in λ through them. */
function polynomialWeights(
  { predictDenoised, from, to, tau }: Interval,
  levels: readonly NoiseLevel[],
): number[] {
  const lambdaTo = halfLogSnr(to);
  const h = lambdaTo - halfLogSnr(from);
  const rate = predictDenoised ? 1 + tau ** 2 : -1;
  const unit = (1 + tau ** 2) * (predictDenoised ? to.alpha : -to.sigma);
  const points = levels.map((level) => halfLogSnr(level) - lambdaTo);
  return lagrangeBasis(points).map(
    (basis) => unit * evaluate(basis, (power) => exponentialIntegral(rate, power, h)),
  );
}

/**
 * Weights of the answers at `levels`, newest first. With two answers of `denoised`, as the authors' code has it, the
 * newer takes from the older what makes the step that of DPM-Solver++ (2M) when there is no noise.
 */
function answerWeights(interval: Interval, levels: readonly NoiseLevel[]): number[] {
  const weights = polynomialWeights(interval, levels);
  if (!interval.predictDenoised || levels.length !== 2) return weights;
  const { from, to, tau } = interval;
  const h = halfLogSnr(to) - halfLogSnr(from);
  const rate = 1 + tau ** 2;
  const distance = halfLogSnr(levels[0]!) - halfLogSnr(levels[1]!);
  const shift = (rate * to.alpha * (h ** 2 / 2 - (h * rate + Math.expm1(-rate * h)) / rate ** 2)) / distance;
  return [weights[0]! + shift, weights[1]! - shift];
}

/** Weights of the sample and of the noise. */
function pathWeights({ predictDenoised, from, to, tau }: Interval) {
  const h = halfLogSnr(to) - halfLogSnr(from);
  return predictDenoised
    ? {
        sample: Math.exp(-(tau ** 2) * h) * (to.sigma / from.sigma),
        noise: to.sigma * Math.sqrt(-Math.expm1(-2 * tau ** 2 * h)),
      }
    : { sample: to.alpha / from.alpha, noise: tau * to.sigma * Math.sqrt(Math.expm1(2 * h)) };
}

/**
 * SA-Solver: predictor of order 1 to 4 and corrector, stochastic, one evaluation a step, which serves the correction
 * and the next step. It can't end without noise.
 */
export function* saSolver(options: SaSolverOptions): Sampler {
  const { ops, sigmas, timesteps, process = variancePreserving, noise, sNoise = 1, beginIndex = 0 } = options;
  const { predictorOrder = 2, correctorOrder = 2, predictDenoised = true, lowerOrderFinal = true } = options;
  const { tau: tauAt = middleTau } = options;
  const levels = sigmas.map(process);
  const count = timesteps.length;
  const history = Math.max(predictorOrder, correctorOrder - 1);
  const answers: Tensor[] = [];
  let { sample } = options;
  let last: { sample: Tensor; noise: Tensor; tau: number; correctorOrder: number } | undefined;

  const update = (
    interval: Interval,
    start: Tensor,
    drawn: Tensor,
    points: NoiseLevel[],
    known: Tensor[],
  ) => {
    const path = pathWeights(interval);
    const terms = answerWeights(interval, points).map((weight, k): Term => [weight, known[k]!]);
    return ops.combine([path.sample, start], ...terms, [path.noise * sNoise, drawn]);
  };

  for (let step = beginIndex; step < count; step++) {
    const timestep = timesteps[step]!;
    const answer: Tensor = yield { step, timestep, sigma: sigmas[step]!, sample };
    const known = [answer, ...answers];
    if (last) {
      const interval = { predictDenoised, from: levels[step - 1]!, to: levels[step]!, tau: last.tau };
      const points = levels.slice(step + 1 - last.correctorOrder, step + 1).reverse();
      sample = update(interval, last.sample, last.noise, points, known);
    }
    const before = Math.min(step - beginIndex, history);
    const ahead = lowerOrderFinal ? count - step : Infinity;
    answers.unshift(answer);
    if (answers.length > history) answers.pop();
    const points = levels.slice(step + 1 - Math.min(predictorOrder, ahead, before + 1), step + 1).reverse();
    const interval = { predictDenoised, from: levels[step]!, to: levels[step + 1]!, tau: tauAt(timestep) };
    const drawn = noise(sample.dims);
    last = {
      sample,
      noise: drawn,
      tau: interval.tau,
      correctorOrder: Math.min(correctorOrder, ahead + 1, before + 2),
    };
    sample = update(interval, sample, drawn, points, answers);
  }
  return sample;
}
