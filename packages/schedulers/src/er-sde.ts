// ER-SDE: solvers of an extended reverse-time diffusion (Cui et al. 2023).
import type { Tensor, Term } from '@emulsion/tensor';
import { varianceExploding } from './noise-level.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

export interface ErSdeOptions extends SamplerOptions, StochasticOptions {
  /** Number of answers that a step uses, 1 to 3. */
  order?: 1 | 2 | 3;
  /** φ of the paper, which says how much noise there is at a level σ/α; the identity is none. */
  noiseScale?: (level: number) => number;
}

/**
 * The paper's choice for pictures, "ER-SDE 5".
 * @param eta amount of noise: 1 is the paper's, 0 none
 */
export const erSdeNoiseScale = (level: number, eta = 1) => level * (Math.exp(level ** 0.3) + 10) ** eta;

/** Points of the midpoint rule that stands for the integrals. */
const points = 200;

/**
 * ER-SDE-Solver-3 (algorithm 3): one evaluation a step, stochastic; `process` may be any. Answers are `denoised`.
 */
export function* erSde(options: ErSdeOptions): Sampler {
  const { ops, sigmas, timesteps, process = varianceExploding, noise, sNoise = 1, beginIndex = 0 } = options;
  const { order = 3, noiseScale = (level) => erSdeNoiseScale(level) } = options;
  const levels = sigmas.map(process);
  const ratios = levels.map(({ alpha, sigma }) => sigma / alpha);
  let { sample } = options;
  let before: Tensor | undefined;
  let slopeBefore: Tensor | undefined;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    const to = levels[step + 1]!;
    if (to.sigma === 0) {
      sample = denoised;
      continue;
    }
    const [s, t] = [ratios[step]!, ratios[step + 1]!];
    const ratio = noiseScale(t) / noiseScale(s);
    const terms: Term[] = [[to.alpha * (1 - ratio), denoised]];
    let slope: Tensor | undefined;
    if (before && order >= 2) {
      const delta = t - s;
      const width = -delta / points;
      const positions = Array.from({ length: points }, (_, k) => t + (k + 0.5) * width);
      const sum = positions.reduce((total, at) => total + width / noiseScale(at), 0);
      const distance = s - ratios[step - 1]!;
      slope = ops.combine([1 / distance, denoised], [-1 / distance, before]);
      terms.push([to.alpha * (delta + sum * noiseScale(t)), slope]);
      if (slopeBefore && order >= 3) {
        const moment = positions.reduce((total, at) => total + (width * (at - s)) / noiseScale(at), 0);
        const weight = (to.alpha * (delta ** 2 / 2 + moment * noiseScale(t)) * 2) / (s - ratios[step - 2]!);
        terms.push([weight, slope], [-weight, slopeBefore]);
      }
    }
    const deviation = Math.sqrt(Math.max(0, t ** 2 - s ** 2 * ratio ** 2));
    terms.push([to.alpha * deviation * sNoise, noise(sample.dims)]);
    sample = ops.combine([(to.alpha / levels[step]!.alpha) * ratio, sample], ...terms);
    before = denoised;
    slopeBefore = slope;
  }
  return sample;
}
