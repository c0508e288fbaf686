import type { Device } from '@emulsion/runtime';
import { cpuOps, createRng, type Tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type InterpolateOptions, slerp } from './interpolate.ts';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let pipeline: Pipeline;
let xl: Pipeline;
beforeAll(async () => {
  device = await createTestDevice();
  pipeline = await loadPipeline(await openFixture('golden/open/models/sd1'), { device });
  xl = await loadPipeline(await openFixture('golden/open/models/sdxl'), { device });
});
afterAll(() => device.dispose());

const walk: InterpolateOptions = {
  prompt: ['a cat', 'a dog'],
  negativePrompt: 'a fox',
  seed: [3, 8],
  frames: 3,
  numInferenceSteps: 3,
};
const worst = (a: Tensor, b: Tensor) => {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);
};
const frame = (x: Tensor, i: number) => cpuOps.slice(x, i, i + 1);

test.each(['ddim', 'euler_a'])(
  'with %s a walk begins and ends with the pictures of its places',
  async (scheduler) => {
    const { latents, images, seeds } = await pipeline({ ...walk, scheduler });
    expect(images).toHaveLength(3);
    expect(seeds).toEqual([3, 8]);
    const { frames: _, ...request } = { ...walk, scheduler };
    for (const [prompt, seed, at] of [
      ['a cat', 3, 0],
      ['a dog', 8, 2],
    ] as const) {
      const alone = await pipeline({ ...request, prompt, seed });
      expect(worst(frame(latents, at), alone.latents)).toBeLessThan(1e-4);
      expect(worst(frame(latents, 1), alone.latents)).toBeGreaterThan(0.01);
    }
  },
);

test('half way is what the middle of the noise and of the texts gives, composed by hand', async () => {
  const { ops } = device;
  const { latents } = await pipeline({
    ...walk,
    negativePrompt: undefined,
    scheduler: 'euler',
    numInferenceSteps: 1,
  });
  if (!('unet' in pipeline)) throw new Error('The model has a U-Net.');
  const { unet, promptEncoder } = pipeline;
  if ('encoders' in promptEncoder) throw new Error('The model has one text encoder.');
  const noise = [3, 8].map((seed) => createRng({ kind: 'torch-cpu', seed }).normal([1, 4, 8, 8]));
  const middle = slerp(ops, noise[0]!, noise[1]!, 0.5);
  const texts = await promptEncoder.encode(['a cat', 'a dog']);
  const text = ops.combine([0.5, frame(texts, 0)], [0.5, frame(texts, 1)]);
  const blank = await promptEncoder.encode(['']);
  const timesteps: number[] = [];
  const started = await pipeline({
    prompt: 'a cat',
    latents: middle,
    scheduler: 'euler',
    numInferenceSteps: 1,
    onStep: ({ timestep, sigma }) => void timesteps.push(timestep, sigma),
  });
  const [timestep = 0, sigma = 0] = timesteps;
  // Euler's one step from σ to 0: x − σ · ε, with the network fed x / √(σ² + 1).
  const start = ops.combine([Math.sqrt(sigma ** 2 + 1), middle]);
  const fed = ops.combine([1 / Math.sqrt(sigma ** 2 + 1), start]);
  const [towards, away] = await Promise.all(
    [text, blank].map((encoderHiddenStates) => unet.predict({ sample: fed, timestep, encoderHiddenStates })),
  );
  const guided = ops.combine([7.5, towards!], [-6.5, away!]);
  const expected = ops.combine([1, start], [-sigma, guided]);
  expect(worst(frame(latents, 1), expected)).toBeLessThan(1e-3);
  expect(worst(started.latents, expected)).toBeGreaterThan(1e-3);
});

test('one prompt or one seed is that of all places, which may be many', async () => {
  const { latents } = await pipeline({
    ...walk,
    prompt: 'a cat',
    seed: [3, 8, 1],
    frames: 5,
    scheduler: 'ddim',
  });
  const { frames: _, ...request } = walk;
  const alone = await pipeline({ ...request, prompt: 'a cat', seed: 8, scheduler: 'ddim' });
  expect(worst(frame(latents, 2), alone.latents)).toBeLessThan(1e-4);
  const still = await pipeline({ ...walk, seed: 3, scheduler: 'ddim' });
  expect(still.seeds).toEqual([3, 3]);
});

test('a random variation is drawn once, and is that of the seeds that are reported', async () => {
  const varied = { ...walk, variationStrength: 0.5, scheduler: 'ddim' };
  const { latents, variationSeeds } = await pipeline(varied);
  expect(variationSeeds).toHaveLength(2);
  const again = await pipeline({ ...varied, variationSeed: variationSeeds![0] });
  expect(again.variationSeeds).toEqual(variationSeeds);
  expect(latents).toEqual(again.latents);
});

test('XL walks too, with what it is told besides', async () => {
  const { latents } = await xl({ ...walk, scheduler: 'ddim' });
  const { frames: _, ...request } = walk;
  const last = await xl({ ...request, prompt: 'a dog', seed: 8, scheduler: 'ddim' });
  expect(worst(frame(latents, 2), last.latents)).toBeLessThan(1e-4);
});

test('steps are counted through all frames', async () => {
  const steps: (readonly [number, number | undefined, number])[] = [];
  await pipeline({
    ...walk,
    frames: 2,
    scheduler: 'ddim',
    onStep: ({ step, totalSteps, progress }) => void steps.push([step, totalSteps, progress]),
  });
  expect(steps).toEqual(Array.from({ length: 6 }, (_, i) => [i, 6, expect.closeTo((i + 1) / 6)]));
});

test('an arc keeps the length that a line would lose, and without an arc it is the line', () => {
  const [a, b] = [1, 2].map((seed) => createRng({ kind: 'torch-cpu', seed }).normal([1, 4, 16, 16]));
  const length = ({ data }: Tensor) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
  const middle = length(slerp(cpuOps, a!, b!, 0.5));
  expect(Math.abs(middle / ((length(a!) + length(b!)) / 2) - 1)).toBeLessThan(0.01);
  expect(length(cpuOps.combine([0.5, a!], [0.5, b!]))).toBeLessThan(0.75 * middle);
  expect(slerp(cpuOps, a!, a!, 0.3)).toEqual(cpuOps.combine([0.7, a!], [0.3, a!]));
});

test.each<[Partial<InterpolateOptions>, string]>([
  [{ frames: 1 }, 'frames is 1. Give an integer of at least 2.'],
  [{ prompt: 'a cat', seed: 3 }, 'frames: there is but one place, and a walk needs two.'],
  [{ prompt: ['a', 'b', 'c'] }, 'seed: 2 came for 3 prompts. Give one for all or one for each.'],
  [{ seed: [1, 2, 3] }, 'prompt: 2 came for 3 prompts.'],
])('%o is refused', async (change, message) => {
  await expect(pipeline({ ...walk, ...change })).rejects.toThrow(message);
});
