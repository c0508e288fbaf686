import { cpuOps, type Tensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import type { Denoiser } from './denoiser.ts';
import { instructPix2PixGuidance } from './instruct-pix2pix-guidance.ts';

const latents = (value: number) => tensor([value], [1, 1]);
/** A network that answers with its condition. */
const echo: Denoiser<Tensor> = async (evaluations) => evaluations.map(({ condition }) => condition);
const condition = { both: latents(5), image: latents(2), neither: latents(1) };
const evaluation = { step: 0, timestep: 500, sigma: 1, sample: latents(0), condition };

test.each([
  // 1 + 1.5 · (2 − 1) + 7.5 · (5 − 2)
  [7.5, 1.5, 25],
  [1, 1, 5],
  [0, 1, 2],
  [0, 0, 1],
])('text scale %d and image scale %d lead to %d', async (guidanceScale, imageGuidanceScale, expected) => {
  const guided = instructPix2PixGuidance(echo, { guidanceScale, imageGuidanceScale, ops: cpuOps });
  const [output] = await guided([evaluation]);
  expect(output!.data[0]).toBe(expected);
});

test('several evaluations are answered in their order', async () => {
  const guided = instructPix2PixGuidance(echo, { guidanceScale: 1, imageGuidanceScale: 1, ops: cpuOps });
  const other = { ...evaluation, condition: { ...condition, both: latents(9) } };
  expect((await guided([evaluation, other])).map(({ data }) => data[0])).toEqual([5, 9]);
});

test('scales that are no numbers are refused', () => {
  const options = { guidanceScale: 7.5, imageGuidanceScale: Number.NaN, ops: cpuOps };
  expect(() => instructPix2PixGuidance(echo, options)).toThrow(
    'imageGuidanceScale is NaN. Give a finite number; 1 is no guidance, 1.5 a usual one.',
  );
});

test('full rescaling gives the guided output the deviation of that with both', async () => {
  const pair = (...values: number[]) => tensor(values, [1, 2]);
  const own = { both: pair(1, 4), image: pair(0, 2), neither: pair(0, 0) };
  const scales = { guidanceScale: 3, imageGuidanceScale: 1, ops: cpuOps };
  const asked = [{ ...evaluation, condition: own }];
  const [plain] = await instructPix2PixGuidance(echo, scales)(asked);
  expect([...plain!.data]).toEqual([3, 8]);
  // Guided it deviates by 5/√2, with both by 3/√2.
  const [rescaled] = await instructPix2PixGuidance(echo, { ...scales, guidanceRescale: 1 })(asked);
  expect([...rescaled!.data].map((value) => Math.round(value * 1e5) / 1e5)).toEqual([1.8, 4.8]);
  expect(() => instructPix2PixGuidance(echo, { ...scales, guidanceRescale: 2 })).toThrow(
    'guidanceRescale is 2. Give a number from 0 to 1; 0 is off.',
  );
});
