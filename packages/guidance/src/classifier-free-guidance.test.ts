import { cpuOps, InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { classifierFreeGuidance, guidanceWithNegative } from './classifier-free-guidance.ts';
import type { Denoiser } from './denoiser.ts';

const latents = (...values: number[]) => tensor(values, [1, values.length]);
const evaluation = <Condition>(condition: Condition) => ({
  step: 0,
  timestep: 500,
  sigma: 1,
  sample: latents(0, 0),
  condition,
});

/** A network that answers with its condition, and notes how it was asked. */
function echo() {
  const asked: Tensor[][] = [];
  const denoiser: Denoiser<Tensor> = async (evaluations) => {
    asked.push(evaluations.map(({ condition }) => condition));
    return evaluations.map(({ condition }) => condition);
  };
  return { asked, denoiser };
}

const positive = latents(1, 4);
const negative = latents(0, 2);

test('the output is led from the negative beyond the positive one, in one call of the network', async () => {
  const { asked, denoiser } = echo();
  const guided = classifierFreeGuidance(denoiser, { guidanceScale: 7.5, ops: cpuOps });
  const [output] = await guided([evaluation({ positive, negative })]);
  expect([...output!.data]).toEqual([7.5, 17]);
  expect(asked).toEqual([[negative, positive]]);
});

test('outputs that are the same are given as they are, whatever the scale', async () => {
  const same = latents(0.1, -1 / 3, 7e-5, 123.456);
  for (const guidanceScale of [0, 3, 7.5, -2.3]) {
    const guided = classifierFreeGuidance(echo().denoiser, { guidanceScale, ops: cpuOps });
    expect(await guided([evaluation({ positive: same, negative: latents(...same.data) })])).toEqual([same]);
  }
});

test('a scale of 1 evaluates the positive condition only', async () => {
  const { asked, denoiser } = echo();
  const guided = classifierFreeGuidance(denoiser, { guidanceScale: 1, ops: cpuOps });
  expect(await guided([evaluation({ positive, negative })])).toEqual([positive]);
  expect(asked).toEqual([[positive]]);
});

test('a scale of 0 gives the negative output', async () => {
  const guided = classifierFreeGuidance(echo().denoiser, { guidanceScale: 0, ops: cpuOps });
  expect(await guided([evaluation({ positive, negative })])).toEqual([negative]);
});

test('full rescaling gives the guided output the deviation of the positive one', async () => {
  const guided = classifierFreeGuidance(echo().denoiser, {
    guidanceScale: 3,
    guidanceRescale: 1,
    ops: cpuOps,
  });
  const [output] = await guided([evaluation({ positive, negative })]);
  // Guided [3, 8] deviates by 5/√2, the positive output by 3/√2.
  expect([...output!.data].map((value) => Math.round(value * 1e5) / 1e5)).toEqual([1.8, 4.8]);
  const half = classifierFreeGuidance(echo().denoiser, {
    guidanceScale: 3,
    guidanceRescale: 0.5,
    ops: cpuOps,
  });
  const [halfway] = await half([evaluation({ positive, negative })]);
  expect(halfway!.data[0]).toBeCloseTo(2.4, 5);
});

test('guidance wraps guidance', async () => {
  const inner = classifierFreeGuidance(echo().denoiser, { guidanceScale: 2, ops: cpuOps });
  const outer = classifierFreeGuidance(inner, { guidanceScale: 3, ops: cpuOps });
  const condition = {
    positive: { positive, negative },
    negative: { positive: negative, negative },
  };
  const [output] = await outer([evaluation(condition)]);
  expect([...output!.data]).toEqual([6, 14]);
});

test('the negative output comes along where it is wanted, whatever the scale', async () => {
  for (const [guidanceScale, first] of [
    [7.5, 7.5],
    [1, 1],
  ] as const) {
    const { asked, denoiser } = echo();
    const guided = guidanceWithNegative(denoiser, { guidanceScale, ops: cpuOps });
    const [answer] = await guided([evaluation({ positive, negative })]);
    expect(answer!.modelOutput.data[0]).toBe(first);
    expect(answer!.negativeOutput).toEqual(negative);
    expect(asked).toEqual([[negative, positive]]);
  }
});

test('numbers that make no sense are refused', () => {
  const { denoiser } = echo();
  expect(() => classifierFreeGuidance(denoiser, { guidanceScale: Number.NaN, ops: cpuOps })).toThrow(
    InvalidArgumentError,
  );
  expect(() =>
    classifierFreeGuidance(denoiser, { guidanceScale: 2, guidanceRescale: 1.5, ops: cpuOps }),
  ).toThrow('guidanceRescale is 1.5. Give a number from 0 to 1; 0 is off.');
});
