// Weighted sums that are put off until somebody wants their elements, so that a sum of sums is one pass over memory.
import type { SumMemory, Tensor, TensorOps, Term } from '@emulsion/tensor';
import type { NetworkSampler } from './scheduler.ts';

/** Terms that are summed in one pass; where there would be more, the sums within the sum are computed first. */
const mostTerms = 10;

/** States that stay as they are where memory is used again: no sampler looks further back. */
const statesKept = 6;

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
    if (!this.#terms) return this.#computedValue();
    const [first, ...rest] = this.#computedTerms(this.#terms);
    this.#value = out ? this.#ops.combineInto(out, first!, ...rest) : this.#ops.combine(first!, ...rest);
    this.#terms = undefined;
    return this.#value;
  }

  /** `value`, and that of `sum` before: in one pass, if this is nothing but that times a factor. */
  valueBeside(sum: DeferredSum, out: SumMemory): Tensor {
    const [[factor, x], ...others] = this.#terms ?? [[1, this]];
    if (x !== sum || others.length > 0 || !sum.#terms) {
      sum.value(out.sum);
      return this.value(out.product);
    }
    const [first, ...rest] = sum.#computedTerms(sum.#terms);
    [sum.#value, this.#value] = this.#ops.combineAndScale(factor, out, first!, ...rest);
    sum.#terms = undefined;
    this.#terms = undefined;
    return this.#value;
  }

  get isComputed(): boolean {
    return !this.#terms;
  }

  /** Gives away the memory of the sum, which has been computed and cannot be read from here on. */
  takeMemory(): Tensor {
    const value = this.#computedValue();
    this.#value = undefined;
    return value;
  }

  #computedValue(): Tensor {
    if (this.#value) return this.#value;
    throw new Error(`deferredOps: a state is read that is older than the last ${statesKept}.`);
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
    for (const [weight, x] of this.#terms ?? [[1, this.#computedValue()] as const]) {
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

/** The last states of a sampler, of which those before may be written over. */
class LastStates {
  readonly #states = new Set<DeferredSum>();

  /** Notes a state that is about to be computed; gives the memory of one that nobody looks back at, if there is one. */
  add(state: DeferredSum): Tensor | undefined {
    // A state that is asked for again, as after a step that was rejected, is one of the last again.
    this.#states.delete(state);
    this.#states.add(state);
    const [oldest] = this.#states;
    if (!oldest || this.#states.size <= statesKept) return undefined;
    this.#states.delete(oldest);
    const memory = oldest.takeMemory();
    return state.isComputed ? undefined : memory;
  }
}

/**
 * A sampler that was given deferred operations, for the outside: what it asks and returns is computed. The network's
 * input is written over the last one; the state is new each time, unless `reuseStates` lets it be written over an old
 * one.
 */
export function* computeQuestions(sampler: NetworkSampler, reuseStates = false): NetworkSampler {
  const lastStates = reuseStates ? new LastStates() : undefined;
  let turn = sampler.next();
  let input: Tensor | undefined;
  while (!turn.done) {
    const question = turn.value;
    let { sample } = question;
    const sum = question.state instanceof DeferredSum ? question.state : undefined;
    const memory = sum && lastStates?.add(sum);
    if (sample !== question.state && sample instanceof DeferredSum) {
      // Mostly that is the state, scaled.
      sample = sum ? sample.valueBeside(sum, { sum: memory, product: input }) : sample.value(input);
      input = sample;
    }
    const state = sum ? sum.value(memory) : question.state;
    if (question.sample === question.state) sample = state;
    turn = sampler.next(yield { ...question, state, sample });
  }
  return computed(turn.value);
}
