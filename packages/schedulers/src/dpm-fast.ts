// DPM-Solver-fast: order 3 steps, and lower ones for the evaluations that are left (Lu et al. 2022a, section 3.3).
import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import { firstOrder, firstStage, type Stage, secondOrder, thirdOrder } from './dpm-solver-stages.ts';
import type { MidpointOptions } from './dpm2.ts';
import { linspace } from './linspace.ts';
import type { Sampler, SamplerQuestion, StochasticOptions } from './sampler.ts';

/** The orders of the steps for a number of evaluations. */
function fastOrders(evaluations: number): number[] {
  const threes = Math.floor(evaluations / 3);
  const rest = evaluations % 3;
  if (rest > 0) return [...new Array<number>(threes).fill(3), rest];
  return [...new Array<number>(threes - 1).fill(3), 2, 1];
}

/**
 * DPM fast: as many evaluations as `sigmas` has steps, at levels of its own between the first and the last above 0,
 * where it ends; order 3, variance exploding.
 * @param options.eta amount of noise: 0, the usual, is none
 */
export function* dpmFast(options: MidpointOptions & StochasticOptions & { eta?: number }): Sampler {
  const { ops, sigmas, timesteps, timestepOf, noise, eta = 0, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  let step = beginIndex;
  function* evaluate(state: Tensor, sigma: number): Generator<SamplerQuestion, Tensor, Tensor> {
    const denoised: Tensor = yield { step: step++, timestep: timestepOf(sigma), sigma, sample: state };
    return ops.combine([1 / sigma, state], [-1 / sigma, denoised]);
  }
  const last = sigmas.findLast((sigma) => sigma > 0)!;
  const orders = fastOrders(timesteps.length - beginIndex);
  const levels = linspace(Math.log(sigmas[beginIndex]!), Math.log(last), orders.length + 1).map(Math.exp);
  for (const [index, order] of orders.entries()) {
    const [from, next] = [levels[index]!, levels[index + 1]!];
    const to = eta > 0 ? Math.max(last, ancestralStep(from, next, eta).sigmaDown) : next;
    const stage: Stage = { ops, evaluate, sample, noisePred: yield* evaluate(sample, from), from, to };
    if (order === 1) sample = firstOrder(stage);
    else {
      const r1 = order === 2 ? 1 / 2 : 1 / 3;
      const first = yield* firstStage(stage, r1);
      sample = order === 2 ? secondOrder(stage, r1, first) : yield* thirdOrder(stage, r1, 2 / 3, first);
    }
    if (eta > 0) {
      const sigmaUp = Math.sqrt(Math.max(0, next ** 2 - to ** 2));
      sample = ops.combine([1, sample], [sigmaUp * sNoise, noise(sample.dims, { from, to: next })]);
    }
  }
  return sample;
}
