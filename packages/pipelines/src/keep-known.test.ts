import { createScheduler } from '@emulsion/schedulers';
import { cpuOps, createRng, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { keepKnown } from './keep-known.ts';

const scheduler = createScheduler({ _class_name: 'EulerAncestralDiscreteScheduler' });
const plan = scheduler.plan({ numInferenceSteps: 5 });
const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const dims = [1, 1, 2, 2];
const original = rng.normal(dims);
const noise = rng.normal(dims);
const mask = tensor([1, 0, 1, 0], dims);

function run(keeps: boolean) {
  const steps = createRng({ kind: 'torch-cpu', seed: 1 });
  const sample = cpuOps.combine([plan.initNoiseSigma, noise]);
  const own = scheduler.sample({ plan, sample, ops: cpuOps, noise: (dims) => steps.normal(dims) });
  const sampler = keeps ? keepKnown(own, { original, noise, mask }, scheduler, cpuOps) : own;
  const questions: { state: number[]; sample: number[]; sigma: number }[] = [];
  let turn = sampler.next();
  while (!turn.done) {
    // The memory of a question's sample is the sampler's.
    const { state, sample, sigma } = turn.value;
    questions.push({ state: [...state.data], sample: [...sample.data], sigma });
    // A network that sees each element by itself.
    turn = sampler.next(cpuOps.affine(turn.value.sample, 0.3, 0));
  }
  return { questions, result: turn.value };
}

test('what is known has the noise of each level, and is as it was at the end; the rest is as without it', () => {
  const [kept, free] = [run(true), run(false)];
  expect(kept.questions).toHaveLength(5);
  for (const [i, { state, sample, sigma }] of kept.questions.entries()) {
    for (const place of [0, 1, 2, 3]) {
      const known = original.data[place]! + sigma * noise.data[place]!;
      const expected = i > 0 && mask.data[place] === 0 ? known : free.questions[i]!.state[place]!;
      expect(state[place]).toBeCloseTo(expected, 4);
      expect(sample[place]).toBeCloseTo(expected / Math.hypot(sigma, 1), 4);
    }
  }
  for (const place of [0, 1, 2, 3]) {
    const expected = mask.data[place] === 0 ? original.data[place]! : free.result.data[place]!;
    expect(kept.result.data[place]).toBeCloseTo(expected, 5);
  }
});
