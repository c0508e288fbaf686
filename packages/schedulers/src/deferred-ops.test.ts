import { cpuOps, type TensorOps, type Term, tensor } from '@emulsion/tensor';
import { describe, expect, test } from 'vitest';
import { createScheduler } from './create-scheduler.ts';
import { deferredOps } from './deferred-ops.ts';

const values = (...numbers: number[]) => tensor(numbers, [1, numbers.length]);

/** Operations that note the terms of the sums that are computed. */
function noting() {
  const passes: (readonly Term[])[] = [];
  const ops: TensorOps = {
    ...cpuOps,
    combine(...terms) {
      passes.push(terms);
      return cpuOps.combine(...terms);
    },
    combineInto(out, ...terms) {
      passes.push(terms);
      return cpuOps.combineInto(out, ...terms);
    },
    combineAndScale(factor, out, ...terms) {
      passes.push(terms);
      return cpuOps.combineAndScale(factor, out, ...terms);
    },
  };
  return { ops, passes };
}

test('a sum of sums is computed in one pass, when it is wanted, and once', () => {
  const { ops, passes } = noting();
  const { combine } = deferredOps(ops);
  const [x, y] = [values(1, 2), values(10, 20)];
  const sum = combine([2, combine([3, x], [1, y])], [-1, combine([1, y])], [1, x]);
  expect(passes).toEqual([]);
  expect([...sum.data]).toEqual([17, 34]);
  expect([...sum.data]).toEqual([17, 34]);
  expect(passes).toEqual([
    [
      [7, x],
      [1, y],
    ],
  ]);
});

test('what cancels is not read, and a sum of nothing is zero', () => {
  const { ops, passes } = noting();
  const { combine } = deferredOps(ops);
  const [x, y] = [values(1, 2), values(10, 20)];
  expect([...combine([1, combine([1, x], [-2, y])], [-1, x]).data]).toEqual([-20, -40]);
  expect(passes).toEqual([[[-2, y]]]);
  expect([...combine([1, x], [-1, x]).data]).toEqual([0, 0]);
});

test('many terms are summed by parts', () => {
  const { combine } = deferredOps(cpuOps);
  const pairs = Array.from({ length: 6 }, (_, k) => combine([1, values(k)], [10, values(k)]));
  const [first, ...rest] = pairs.map((pair): Term => [1, pair]);
  expect([...combine(first!, ...rest).data]).toEqual([165]);
});

test('other operations take sums', () => {
  const ops = deferredOps(cpuOps);
  const x = ops.combine([2, values(1, -3)]);
  expect([...ops.clamp(x, -1, 1).data]).toEqual([1, -1]);
  expect([...ops.multiply(x, x).data]).toEqual([4, 36]);
});

test('an evaluation of Euler is one pass for the state and for the input, whose memory is used again', () => {
  const { ops, passes } = noting();
  const scheduler = createScheduler({ _class_name: 'EulerDiscreteScheduler' });
  const plan = scheduler.plan({ numInferenceSteps: 4 });
  const sampler = scheduler.sample({ plan, ops, sample: values(1, 2, 3) });
  const [inputs, states] = [new Set<Float32Array>(), new Set<Float32Array>()];
  for (let turn = sampler.next(); !turn.done; ) {
    inputs.add(turn.value.sample.data);
    states.add(turn.value.state.data);
    turn = sampler.next(values(1, 1, 1));
  }
  expect(passes.map((terms) => terms.length)).toEqual([1, 2, 2, 2, 2]);
  expect([inputs.size, states.size]).toEqual([1, 4]);
});

test('what cancels makes room for what does not: a step of LMS is one pass over the state and four outputs', () => {
  const { ops, passes } = noting();
  const scheduler = createScheduler({ _class_name: 'LMSDiscreteScheduler' });
  const plan = scheduler.plan({ numInferenceSteps: 6 });
  const sampler = scheduler.sample({ plan, ops, sample: values(1, 2, 3) });
  for (let turn = sampler.next(); !turn.done; ) turn = sampler.next(values(1, 1, 1));
  expect(passes.map((terms) => terms.length)).toEqual([1, 2, 3, 4, 5, 5, 5]);
});

describe('where states are written over older ones', () => {
  const start = tensor([1, -2, 3], [1, 3]);
  const sampleWith = (config: Readonly<Record<string, unknown>>, reuseStates: boolean) => {
    const scheduler = createScheduler({ beta_schedule: 'scaled_linear', ...config });
    const plan = scheduler.plan({ numInferenceSteps: 20 });
    const noise = () => values(0.3, -0.1, 0.2);
    return scheduler.sample({ plan, ops: cpuOps, sample: start, noise, reuseStates });
  };

  test('a sampler makes a few, however many steps it takes, and leaves the first alone', () => {
    const sampler = sampleWith({ _class_name: 'EulerDiscreteScheduler' }, true);
    const states = new Set<Float32Array>();
    for (let turn = sampler.next(); !turn.done; turn = sampler.next(values(1, 1, 1))) {
      states.add(turn.value.state.data);
    }
    expect(states.size).toBe(7); // the first, and the six that are kept
    expect([...start.data]).toEqual([1, -2, 3]);
  });

  const orders = [1, 2, 3, 4];
  test.each<Readonly<Record<string, unknown>>>([
    ...[1, 2, 3, 4, 5, 6, 8, 12].flatMap((solver_order) =>
      [true, false].map((predict_x0) => ({
        _class_name: 'UniPCMultistepScheduler',
        final_sigmas_type: 'sigma_min',
        solver_order,
        predict_x0,
      })),
    ),
    ...orders.flatMap((predictor_order) =>
      orders.map((corrector_order) => ({
        _class_name: 'SASolverScheduler',
        predictor_order,
        corrector_order,
      })),
    ),
    ...[1, 2, 3].map((solver_order) => ({ _class_name: 'DPMSolverSinglestepScheduler', solver_order })),
  ])('%j gives the same', (config) => {
    const statesOf = (reuseStates: boolean) => {
      const sampler = sampleWith(config, reuseStates);
      const states: number[][] = [];
      let turn = sampler.next();
      while (!turn.done) {
        states.push([...turn.value.state.data]);
        turn = sampler.next(cpuOps.combine([0.3, turn.value.sample]));
      }
      return [...states, [...turn.value.data]];
    };
    expect(statesOf(true)).toEqual(statesOf(false));
  });
});
