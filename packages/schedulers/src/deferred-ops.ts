// Weighted sums that are put off until somebody wants their elements, so that a sum of sums is one pass over memory.
import type { Tensor, TensorOps, Term } from '@emulsion/tensor';
import type { NetworkSampler } from './scheduler.ts';

/** Terms that are summed in one pass; where there would be more, the sums within the sum are computed first. */
const mostTerms = 10;

/** A weighted sum that has not been computed yet, or has been. */
class DeferredSum implements Tensor {
  readonly dtype = 'float32';
  readonly dims: readonly number[];
  readonly #ops: TensorOps;
  /** What is to be summed; gone once it is, so that nothing older than needed is kept. */
  #terms: readonly [Term, ...Term[]] | undefined;
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
    const [first, ...rest] = this.#computedTerms(this.#terms);
    this.#value = out ? this.#ops.combineInto(out, first!, ...rest) : this.#ops.combine(first!, ...rest);
    this.#terms = undefined;
    return this.#value;
  }

  /** `value`, and that of `sum` before: in one pass, if this is nothing but that times a factor. */
  valueBeside(sum: DeferredSum, out?: Tensor): Tensor {
    const [[factor, x], ...others] = this.#terms ?? [[1, this]];
    if (x !== sum || others.length > 0 || !sum.#terms) {
      sum.value();
      return this.value(out);
    }
    const [first, ...rest] = sum.#computedTerms(sum.#terms);
    [sum.#value, this.#value] = this.#ops.combineAndScale(factor, out, first!, ...rest);
    sum.#terms = undefined;
    this.#terms = undefined;
    return this.#value;
  }

  /** What is to be read for the sum. */
  #computedTerms(terms: readonly Term[]): readonly Term[] {
    const weights = new Map<Tensor, number>();
    this.#addTo(weights, 1);
    const needed = notCancelled([...weights].map(([x, weight]): Term => [weight, x]));
    return needed.length <= mostTerms
      ? needed
      : notCancelled(terms.map(([weight, x]): Term => [weight, computed(x)]));
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
    combineAndScale(factor, _out, ...terms) {
      const sum = new DeferredSum(ops, terms);
      return [sum, new DeferredSum(ops, [[factor, sum]])];
    },
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
    let sample = question.sample;
    if (sample !== question.state && sample instanceof DeferredSum) {
      // Mostly that is the state, scaled.
      const { state } = question;
      sample = state instanceof DeferredSum ? sample.valueBeside(state, input) : sample.value(input);
      input = sample;
    }
    const state = computed(question.state);
    if (question.sample === question.state) sample = state;
    turn = sampler.next(yield { ...question, state, sample });
  }
  return computed(turn.value);
}
