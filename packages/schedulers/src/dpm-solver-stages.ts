// DPM-Solver 1, 2 and 3 as single steps (Lu et al. 2022a, algorithms 1, 2 and 3), variance exploding.
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { SamplerQuestion } from './sampler.ts';

/** Asks for the noise of a state. */
export type Evaluate = (sample: Tensor, sigma: number) => Generator<SamplerQuestion, Tensor, Tensor>;

/** A step from a state whose noise is known. */
export interface Stage {
  ops: TensorOps;
  evaluate: Evaluate;
  sample: Tensor;
  noisePred: Tensor;
  from: number;
  to: number;
}

type Result = Generator<SamplerQuestion, Tensor, Tensor>;

/** The level a part `r` of the way in log sigma. */
const between = (from: number, to: number, r: number) => from ** (1 - r) * to ** r;

/** Order 1: Euler's step. */
export function firstOrder({ ops, sample, noisePred, from, to }: Omit<Stage, 'evaluate'>): Tensor {
  return ops.combine([1, sample], [to - from, noisePred]);
}

/** The noise at the first intermediate level, which orders 2 and 3 share. */
export function* firstStage(stage: Stage, r1: number): Result {
  const sigma = between(stage.from, stage.to, r1);
  return yield* stage.evaluate(firstOrder({ ...stage, to: sigma }), sigma);
}

/** Order 2, from the noise at the intermediate level `r1`. */
export function secondOrder({ ops, sample, noisePred, from, to }: Stage, r1: number, first: Tensor): Tensor {
  const slope = (to - from) / (2 * r1);
  return ops.combine([1, sample], [to - from - slope, noisePred], [slope, first]);
}

/** Order 3, from the noise at the intermediate level `r1`; evaluates at `r2`. */
export function* thirdOrder(stage: Stage, r1: number, r2: number, first: Tensor): Result {
  const { ops, evaluate, sample, noisePred, from, to } = stage;
  const h = Math.log(from / to);
  const middle = between(from, to, r2);
  const bend = -middle * (r2 / r1) * (Math.expm1(r2 * h) / (r2 * h) - 1);
  const u2 = ops.combine([1, sample], [middle - from - bend, noisePred], [bend, first]);
  const second = yield* evaluate(u2, middle);
  const slope = (-to / r2) * (Math.expm1(h) / h - 1);
  return ops.combine([1, sample], [to - from - slope, noisePred], [slope, second]);
}
