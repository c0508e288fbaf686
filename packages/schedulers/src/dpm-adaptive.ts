// DPM-Solver with adaptive steps (Lu et al. 2022a, appendix C), whose size a PID controller sets (Crowson 2022).
import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import { firstOrder, firstStage, type Stage, secondOrder, thirdOrder } from './dpm-solver-stages.ts';
import type { MidpointOptions } from './dpm2.ts';
import type { Sampler, SamplerQuestion, StochasticOptions } from './sampler.ts';

export interface DpmAdaptiveOptions extends MidpointOptions, StochasticOptions {
  /** Order of the higher of the two solutions that are compared, 2 or 3. */
  order?: 2 | 3;
  /** Tolerated error, relative to the state and absolute. */
  relativeTolerance?: number;
  absoluteTolerance?: number;
  /** The first step, in log sigma. */
  initialStep?: number;
  /** Amount of noise: 0, the usual, is none. */
  eta?: number;
}

/** Steps whose size would shrink by more than this factor are done again. */
const acceptSafety = 0.81;

/** The size of the error in units of what is tolerated. The values are needed: tensors must be on the CPU. */
function errorOf(low: Tensor, high: Tensor, previous: Tensor, absolute: number, relative: number): number {
  let sum = 0;
  for (const [i, value] of low.data.entries()) {
    const tolerated = Math.max(absolute, relative * Math.max(Math.abs(value), Math.abs(previous.data[i]!)));
    sum += ((value - high.data[i]!) / tolerated) ** 2;
  }
  return Math.sqrt(sum / low.data.length);
}

/**
 * DPM adaptive: steps as large as the tolerance allows, from the first of `sigmas` to the last above 0; the number of
 * evaluations is not known beforehand. Variance exploding.
 */
export function* dpmAdaptive(options: DpmAdaptiveOptions): Sampler {
  const { ops, sigmas, timestepOf, noise, sNoise = 1, beginIndex = 0, order = 3, eta = 0 } = options;
  const { relativeTolerance = 0.05, absoluteTolerance = 0.0078, initialStep = 0.05 } = options;
  let { sample } = options;
  let previous = sample;
  let step = beginIndex;
  function* evaluate(state: Tensor, sigma: number): Generator<SamplerQuestion, Tensor, Tensor> {
    const denoised: Tensor = yield { step: step++, timestep: timestepOf(sigma), sigma, sample: state };
    return ops.combine([1 / sigma, state], [-1 / sigma, denoised]);
  }
  const last = sigmas.findLast((sigma) => sigma > 0)!;
  const gain = 1 / (eta > 0 ? 1.5 : order);
  let h = initialStep;
  let from = sigmas[beginIndex]!;
  while (from > last * Math.exp(1e-5)) {
    const next = Math.max(last, from * Math.exp(-h));
    const to = eta > 0 ? Math.max(last, ancestralStep(from, next, eta).sigmaDown) : next;
    const stage: Stage = { ops, evaluate, sample, noisePred: yield* evaluate(sample, from), from, to };
    const r1 = order === 2 ? 1 / 2 : 1 / 3;
    const first = yield* firstStage(stage, r1);
    const low = order === 2 ? firstOrder(stage) : secondOrder(stage, r1, first);
    const high = order === 2 ? secondOrder(stage, r1, first) : yield* thirdOrder(stage, r1, 2 / 3, first);
    const error = errorOf(low, high, previous, absoluteTolerance, relativeTolerance);
    // The controller's integral part, with a limiter that keeps the factor between 0.2 and 2.6.
    const factor = 1 + Math.atan((1 / (error + 1e-8)) ** gain - 1);
    h *= factor;
    if (factor < acceptSafety) continue;
    previous = low;
    sample = high;
    if (eta > 0) {
      const sigmaUp = Math.sqrt(Math.max(0, next ** 2 - to ** 2));
      sample = ops.combine([1, sample], [sigmaUp * sNoise, noise(sample.dims, { from, to: next })]);
    }
    from = next;
  }
  return sample;
}
