// Weighted sums that are put off until somebody wants their elements, so that a sum of sums is one pass over memory.
import type { Tensor, TensorOps, Term } from '@emulsion/tensor';
import type { NetworkSampler } from './scheduler.ts';

/** Terms that are summed in one pass; where there would be more, the sums within the sum are computed first. */
const mostTerms = 6;

/** A weighted sum that has not been computed yet, or has been. */
class DeferredSum implements Tensor {
  readonly dtype = 'float32';
  readonly dims: readonly number[];
  readonly #ops: TensorOps;
  /** What is to be summed; gone once it is, so that nothing older than needed is kept. */
  #terms: readonly Term[] | undefined;
  #value: Tensor | undefined;

  constructor(ops: TensorOps, terms: readonly [Term, ...Term[]]) {
    this.#ops = ops;
    this.#terms = terms;
    this.dims = terms[0][1].dims;
  }

  get data(): Tensor['data'] {
    return this.value().data;
  }

  /** The sum, computed if it is not yet: in the memory of `out`, if that is given. */
  value(out?: Tensor): Tensor {
    if (!this.#terms) return this.#value!; // one of the two is there
    const weights = new Map<Tensor, number>();
    this.#addTo(weights, 1);
    const needed = notCancelled([...weights].map(([x, weight]): Term => [weight, x]));
    const [first, ...rest] =
      needed.length <= mostTerms
        ? needed
        : notCancelled(this.#terms.map(([weight, x]): Term => [weight, computed(x)]));
    this.#value = out ? this.#ops.combineInto(out, first!, ...rest) : this.#ops.combine(first!, ...rest);
    this.#terms = undefined;
    return this.#value;
  }

  /** Adds the weights, times a factor, of the tensors that the sum is made of. */
  #addTo(weights: Map<Tensor, number>, factor: number): void {
    for (const [weight, x] of this.#terms ?? [[1, this.#value!] as const]) {
      if (x instanceof DeferredSum) x.#addTo(weights, factor * weight);
      else weights.set(x, (weights.get(x) ?? 0) + factor * weight);
    }
  }
}

const computed = (x: Tensor): Tensor => (x instanceof DeferredSum ? x.value() : x);

/** Terms without those that cancel, which need not be read; one of them, if nothing else is there. */
function notCancelled(terms: readonly Term[]): readonly Term[] {
  const left = terms.filter(([weight]) => weight !== 0);
  return left.length > 0 ? left : terms.slice(0, 1);
}

/** Operations whose weighted sums wait; all others compute what they are given. */
export function deferredOps(ops: TensorOps): TensorOps {
  return {
    combine: (...terms) => new DeferredSum(ops, terms),
    combineInto: (out, [weight, x], ...rest) =>
      ops.combineInto(computed(out), [weight, computed(x)], ...rest.map(([w, y]): Term => [w, computed(y)])),
    affine: (x, scale, shift) => ops.affine(computed(x), scale, shift),
    multiply: (a, b) => ops.multiply(computed(a), computed(b)),
    exp: (x) => ops.exp(computed(x)),
    sqrt: (x) => ops.sqrt(computed(x)),
    clamp: (x, low, high) => ops.clamp(computed(x), low, high),
    dynamicThreshold: (x, ratio, maxValue) => ops.dynamicThreshold(computed(x), ratio, maxValue),
    matchStandardDeviation: (x, reference) => ops.matchStandardDeviation(computed(x), computed(reference)),
    scaleByNorms: (x, numerator, denominator) =>
      ops.scaleByNorms(computed(x), computed(numerator), computed(denominator)),
    interpolate: (x, height, width, mode) => ops.interpolate(computed(x), height, width, mode),
    concat: (tensors, axis) => ops.concat(tensors.map(computed), axis),
    slice: (x, start, end, axis) => ops.slice(computed(x), start, end, axis),
  };
}

/**
 * A sampler that was given deferred operations, for the outside: what it asks and returns is computed. The state is
 * new each time, the network's input is written over the last one.
 */
export function* computeQuestions(sampler: NetworkSampler): NetworkSampler {
  let turn = sampler.next();
  let input: Tensor | undefined;
  while (!turn.done) {
    const question = turn.value;
    // The state first: the network's input is that, scaled.
    const state = computed(question.state);
    let sample = state;
    if (question.sample !== question.state) {
      sample = question.sample instanceof DeferredSum ? question.sample.value(input) : question.sample;
      input = question.sample instanceof DeferredSum ? sample : input;
    }
    turn = sampler.next(yield { ...question, state, sample });
  }
  return computed(turn.value);
}
