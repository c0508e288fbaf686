/// <reference types="node" />
import { fileURLToPath } from 'node:url';
import type { Device } from '@emulsion/runtime';
import { createDevice } from '@emulsion/runtime-node';
import { createScheduler } from '@emulsion/schedulers';
import { cpuOps, createRng, type Tensor } from '@emulsion/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HighResolutionOptions } from './high-resolution.ts';
import { loadPipeline, type StableDiffusionPipeline } from './load-pipeline.ts';

const model = fileURLToPath(new URL('../../../fixtures/golden/open/models/sd1', import.meta.url));
let device: Device;
let pipeline: StableDiffusionPipeline;
beforeAll(async () => {
  device = await createDevice('cpu');
  const loaded = await loadPipeline(model, { device });
  if (!('unet' in loaded)) throw new Error('The model has a U-Net.');
  pipeline = loaded;
});
afterAll(async () => {
  await pipeline.dispose();
  await device.dispose();
});

const options: HighResolutionOptions = {
  prompt: 'a cat',
  numInferenceSteps: 4,
  seed: 7,
  width: 64,
  height: 48,
  scheduler: 'ddim',
  hiresScale: 1.5,
};
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('both passes are those of the tasks they are made of', async () => {
  const { images, latents } = await pipeline({ ...options, hiresStrength: 0.5 });
  expect(images.map(({ width, height }) => [width, height])).toEqual([[96, 72]]);
  const { hiresScale: _, ...firstPass } = options;
  const small = await pipeline(firstPass);
  const large = cpuOps.interpolate(small.latents, 9, 12, 'bilinear');
  const scheduler = createScheduler({ ...pipeline.schedulerConfig, _class_name: 'DDIMScheduler' });
  const plan = scheduler.plan({ numInferenceSteps: 4 });
  const noise = createRng({ kind: 'torch-cpu', seed: 7 }).normal(large.dims);
  let state = scheduler.addNoise({ sample: large, noise, plan, beginIndex: 2 });
  const sampler = scheduler.sample({ plan, sample: state, beginIndex: 2, ops: cpuOps });
  const { promptEncoder, unet } = pipeline;
  if ('encoders' in promptEncoder) throw new Error('The model has one text encoder.');
  const [positive, negative] = [await promptEncoder.encode(['a cat']), await promptEncoder.encode([''])];
  let turn = sampler.next();
  while (!turn.done) {
    const { sample, timestep } = turn.value;
    const outputs = await Promise.all(
      [positive, negative].map((encoderHiddenStates) =>
        unet.predict({ sample, timestep, encoderHiddenStates }),
      ),
    );
    turn = sampler.next(cpuOps.combine([7.5, outputs[0]!], [-6.5, outputs[1]!]));
  }
  state = turn.value;
  expect(worst(latents, state)).toBeLessThan(1e-3);
});

test('steps are counted through both passes', async () => {
  const steps: (readonly [number, number | undefined, number])[] = [];
  await pipeline({
    ...options,
    hiresStrength: 0.5,
    hiresSteps: 8,
    onStep: ({ step, totalSteps, progress }) => void steps.push([step, totalSteps, progress]),
  });
  expect(steps).toEqual(Array.from({ length: 8 }, (_, i) => [i, 8, (i + 1) / 8]));
});

test('each picture of several is the one that its seed gives alone', async () => {
  const both = await pipeline({
    ...options,
    scheduler: 'euler_a',
    seedPerImage: true,
    numImagesPerPrompt: 2,
  });
  const alone = await pipeline({ ...options, scheduler: 'euler_a', seed: 8 });
  expect(both.seeds).toEqual([7, 8]);
  expect(worst(alone.latents, cpuOps.slice(both.latents, 1, 2))).toBeLessThan(1e-3);
});

test('a scale below 1 and a strength of nothing are refused', async () => {
  await expect(pipeline({ ...options, hiresScale: 0.5 })).rejects.toThrow(
    'hiresScale is 0.5. Give a number of at least 1.',
  );
  await expect(pipeline({ ...options, hiresStrength: 0 })).rejects.toThrow('hiresStrength is 0.');
  await expect(pipeline({ ...options, hiresSteps: 1, hiresStrength: 0.5 })).rejects.toThrow(
    'hiresStrength is 0.5, which leaves none of 1 steps. Raise hiresStrength or hiresSteps.',
  );
});
