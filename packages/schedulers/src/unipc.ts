// UniPC: a predictor and a corrector of any order in one form (Zhao et al. 2023).
import type { Tensor, TensorOps, Term } from '@emulsion/tensor';
import { halfLogSnr, type NoiseLevel, variancePreserving } from './noise-level.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';
import { solveLinear } from './solve-linear.ts';

/** B(h) of the paper's eq. 5: h, or e^h - 1. */
export const unipcTypes = ['bh1', 'bh2'] as const;
export type UnipcType = (typeof unipcTypes)[number];

export interface UnipcOptions extends SamplerOptions {
  /** Order of the predictor; the corrector raises it by one. */
  order?: number;
  solverType?: UnipcType;
  /** Whether the answers are `denoised`; the noise otherwise, which can't end without noise. */
  predictDenoised?: boolean;
  /** Lower the order towards the end. */
  lowerOrderFinal?: boolean;
  /** Steps whose result is not corrected, counted from 0. */
  disableCorrector?: readonly number[];
}

/** What an update starts from: the sample at `levels[1]`, and the answers at that and at older levels. */
interface Update {
  ops: TensorOps;
  predictDenoised: boolean;
  solverType: UnipcType;
  sample: Tensor;
  /** The level to reach, then those of the answers, newest first. */
  levels: readonly NoiseLevel[];
  /** As many as the order. */
  answers: readonly Tensor[];
  /** The answer at the level to reach, which makes the update a correction. */
  target?: Tensor;
}

/** ρ of the paper's eq. 10: how much each difference D_m / r_m counts. */
function differenceWeights(ratios: readonly number[], hh: number, scale: number): number[] {
  const right: number[] = [];
  let phi = Math.expm1(hh) / hh - 1;
  let factorial = 1;
  for (let k = 1; k <= ratios.length; k++) {
    right.push((phi * factorial) / scale);
    factorial *= k + 1;
    phi = phi / hh - 1 / factorial;
  }
  return solveLinear(
    right.map((_, power) => ratios.map((ratio) => ratio ** power)),
    right,
  );
}

function update({ ops, predictDenoised, solverType, sample, levels, answers, target }: Update): Tensor {
  const [to, from, ...older] = levels as [NoiseLevel, NoiseLevel, ...NoiseLevel[]];
  const lambdaFrom = halfLogSnr(from);
  const h = halfLogSnr(to) - lambdaFrom;
  const hh = predictDenoised ? -h : h;
  const unit = predictDenoised ? to.alpha : to.sigma;
  const newest = answers[0]!;
  const rest = answers.slice(1);
  const ratios = rest.map((_, k) => (halfLogSnr(older[k]!) - lambdaFrom) / h);
  const differences = target ? [...rest, target] : rest;
  if (target) ratios.push(1);
  const scale = solverType === 'bh1' ? hh : Math.expm1(hh);
  // At the lowest order the paper takes 1/2, which cancels B(h) to second order whichever it is.
  const weights = differences.length === 1 ? [0.5] : differenceWeights(ratios, hh, scale);
  const terms = differences.map((answer, k): Term => [(-unit * scale * weights[k]!) / ratios[k]!, answer]);
  const balance = terms.reduce((sum, [weight]) => sum + weight, 0);
  return ops.combine(
    [predictDenoised ? to.sigma / from.sigma : to.alpha / from.alpha, sample],
    [-unit * Math.expm1(hh) - balance, newest],
    ...terms,
  );
}

/** UniPC: order `order` + 1 with its corrector, one evaluation a step, which serves the correction and the next step. */
export function* unipc(options: UnipcOptions): Sampler {
  const { ops, sigmas, timesteps, process = variancePreserving, beginIndex = 0 } = options;
  const { order = 2, solverType = 'bh2', predictDenoised = true } = options;
  const { lowerOrderFinal = true, disableCorrector = [] } = options;
  const levels = sigmas.map(process);
  /** The level to reach and those before it, newest first. */
  const levelsTo = (step: number, count: number) => levels.slice(step - count, step + 1).reverse();
  const answers: Tensor[] = [];
  let { sample } = options;
  let last = sample;
  let lastOrder = 0;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    if (lastOrder > 0 && !disableCorrector.includes(step - 1)) {
      const history = answers.slice(0, lastOrder);
      const known = { ops, predictDenoised, solverType, levels: levelsTo(step, lastOrder), answers: history };
      sample = update({ ...known, sample: last, target: answer });
    }
    answers.unshift(answer);
    if (answers.length > order) answers.pop();
    lastOrder = Math.min(answers.length, lowerOrderFinal ? timesteps.length - step : order);
    last = sample;
    const history = answers.slice(0, lastOrder);
    sample = update({
      ops,
      predictDenoised,
      solverType,
      sample,
      levels: levelsTo(step + 1, lastOrder),
      answers: history,
    });
  }
  return sample;
}
