// Pseudo numerical methods for diffusion models (Liu et al. 2022): linear multistep, and its Runge-Kutta start.
import type { Tensor, TensorOps, Term } from '@emulsion/tensor';
import type { NoiseLevel } from './noise-level.ts';
import type { Sampler } from './sampler.ts';
import { transfer } from './transition.ts';

/** A timestep to evaluate at, and the transfer that follows the evaluation. */
export interface PndmStep {
  readonly timestep: number;
  /** Level of the state that is evaluated. */
  readonly at: NoiseLevel;
  /** Level that the transfer starts from; that of the state it starts from. */
  readonly from: NoiseLevel;
  readonly to: NoiseLevel;
}

export interface PndmOptions {
  ops: TensorOps;
  sample: Tensor;
  steps: readonly PndmStep[];
  /** How many of the first steps are Runge-Kutta's, 4 a time; 0 starts with a second evaluation of the first step. */
  rungeKuttaSteps: number;
  /** What the first of `steps` is numbered in the questions, 0 if not given. */
  beginIndex?: number;
  /** The noise in what is answered, for the state that a transfer starts from; the answer itself if not given. */
  toNoise?: (answer: Tensor, sample: Tensor, level: NoiseLevel) => Tensor;
}

/** Adams-Bashforth weights of the newest answers, newest first, by the number of answers there are (eq. 9). */
export const adamsBashforth: readonly (readonly number[])[] = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

/** The weighted sum of the newest answers, of which at most four are used. */
export function adamsBashforthSum(ops: TensorOps, answers: readonly Tensor[]): Tensor {
  const newest = answers.slice(-4).reverse();
  const weights = adamsBashforth[newest.length - 1]!;
  const [first, ...rest] = newest.map((answer, k): Term => [weights[k]!, answer]);
  return ops.combine(first!, ...rest);
}

/**
 * PNDM: order 2 to 4, one evaluation a step after the start, which takes one evaluation more (two of the first step)
 * or, with Runge-Kutta, four for each of the first three steps. The answers are the predicted noise, or what `toNoise`
 * makes into it.
 */
export function* pndm(options: PndmOptions): Sampler {
  const { ops, steps, rungeKuttaSteps, beginIndex = 0, toNoise = (answer) => answer } = options;
  const move = (from: Tensor, answer: Tensor, step: PndmStep) =>
    transfer(ops, from, toNoise(answer, from, step.from), step.from, step.to);
  const history: Tensor[] = [];
  let { sample } = options;
  let base = sample;
  let sum: Tensor | undefined;
  for (const [index, step] of steps.entries()) {
    const { timestep, at } = step;
    const answer: Tensor = yield { step: beginIndex + index, timestep, sigma: at.sigma / at.alpha, sample };
    if (index < rungeKuttaSteps) {
      const stage = index % 4;
      if (stage === 0) {
        history.push(answer);
        base = sample;
      }
      const weight = stage === 1 || stage === 2 ? 1 / 3 : 1 / 6;
      sum = sum && stage > 0 ? ops.combine([1, sum], [weight, answer]) : ops.combine([weight, answer]);
      sample = move(base, stage === 3 ? sum : answer, step);
    } else if (rungeKuttaSteps === 0 && index === 1) {
      sample = move(base, ops.combine([0.5, answer], [0.5, history[0]!]), step);
    } else {
      history.push(answer);
      if (history.length > 4) history.shift();
      base = sample;
      sample = move(sample, adamsBashforthSum(ops, history), step);
    }
  }
  return sample;
}
