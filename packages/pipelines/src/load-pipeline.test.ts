/// <reference types="node" />
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readJson } from '@emulsion/checkpoints';
import { classifierFreeGuidance } from '@emulsion/guidance';
import type { RgbImage } from '@emulsion/image';
import type { Device } from '@emulsion/runtime';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { createScheduler } from '@emulsion/schedulers';
import { createRng, type Tensor } from '@emulsion/tensor';
import { loadPromptEncoder } from '@emulsion/text-encoder';
import { loadUnet } from '@emulsion/unet';
import { loadVae } from '@emulsion/vae';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';
import type { TextToImageOptions } from './text-to-image.ts';

const path = fileURLToPath(new URL('../../../fixtures/golden/open/models/sd1', import.meta.url));
let device: Device;
let pipeline: Pipeline;
beforeAll(async () => {
  device = await createDevice('cpu');
  pipeline = await loadPipeline(path, { device });
});
afterAll(async () => {
  await pipeline.dispose();
  await device.dispose();
});

const small: TextToImageOptions = {
  prompt: 'a cat',
  numInferenceSteps: 3,
  seed: 0,
  width: 64,
  height: 64,
  scheduler: 'euler_a',
};
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('the parts composed by hand paint the same picture', async () => {
  const model = await openFolder(path);
  const promptEncoder = await loadPromptEncoder(model, { device });
  const unet = await loadUnet(model.subfolder('unet'), { device });
  const vae = await loadVae(model.subfolder('vae'), { device });
  const scheduler = createScheduler(await readJson(model, 'scheduler/scheduler_config.json'));
  const rng = createRng({ kind: 'torch-cpu', seed: 0 });
  const plan = scheduler.plan({ numInferenceSteps: 3 });
  const { ops } = device;
  const [positive, negative] = [await promptEncoder.encode(['a cat']), await promptEncoder.encode([''])];
  const denoiser = classifierFreeGuidance<Tensor>(
    (evaluations) =>
      Promise.all(
        evaluations.map(({ sample, timestep, condition }) =>
          unet.predict({ sample, timestep, encoderHiddenStates: condition }),
        ),
      ),
    { guidanceScale: 7.5, ops },
  );
  const sample = ops.combine([plan.initNoiseSigma, rng.normal([1, 4, 8, 8])]);
  const sampler = scheduler.sample({ plan, sample, ops, noise: (dims) => rng.normal(dims) });
  let next = sampler.next();
  while (!next.done) {
    const [output] = await denoiser([{ ...next.value, condition: { positive, negative } }]);
    next = sampler.next(output!);
  }
  const picture = await vae.decode(vae.fromLatents(next.value));
  const { pixels } = await pipeline({ prompt: 'a cat', numInferenceSteps: 3, seed: 0 });
  expect(worst(ops.clamp(ops.affine(picture, 0.5, 0.5), 0, 1), pixels)).toBeLessThan(1e-4);
  for (const part of [promptEncoder, unet, vae]) await part.dispose();
});

test('a seed gives the same picture again, another seed another one, and 0 is a seed', async () => {
  const [first, again, other] = [
    await pipeline(small),
    await pipeline(small),
    await pipeline({ ...small, seed: 1 }),
  ];
  expect(again).toEqual(first);
  expect(first.seed).toBe(0);
  expect(worst(first.latents, other.latents)).toBeGreaterThan(0.1);
});

test('without a seed one is drawn, and given back', async () => {
  const { seed: _, ...unseeded } = small;
  const drawn = await pipeline(unseeded);
  expect(await pipeline({ ...small, seed: drawn.seed })).toEqual(drawn);
});

test('height and width are not confused', async () => {
  const { images, pixels, latents } = await pipeline({ ...small, width: 96, height: 64 });
  expect(images.map(({ width, height }) => [width, height])).toEqual([[96, 64]]);
  expect(pixels.dims).toEqual([1, 3, 64, 96]);
  expect(latents.dims).toEqual([1, 4, 8, 12]);
});

test('several prompts with several pictures each come in order', async () => {
  const many = await pipeline({
    ...small,
    scheduler: 'ddim',
    prompt: ['a cat', 'a dog'],
    numImagesPerPrompt: 2,
  });
  expect(many.images).toHaveLength(4);
  const noise = createRng({ kind: 'torch-cpu', seed: 0 }).normal([4, 4, 8, 8]);
  const third = device.ops.slice(noise, 2, 3);
  const alone = await pipeline({ ...small, scheduler: 'ddim', prompt: 'a dog', latents: third });
  expect(worst(alone.pixels, device.ops.slice(many.pixels, 2, 3))).toBeLessThan(1e-4);
});

test('each step is reported with the latents after it, the last ones are the result', async () => {
  const events: [number, number | undefined, Tensor][] = [];
  const { latents } = await pipeline({
    ...small,
    onStep: async ({ step, totalSteps, latents }) => {
      events.push([step, totalSteps, await latents()]);
    },
  });
  expect(events.map(([step, total]) => [step, total])).toEqual([
    [0, 3],
    [1, 3],
    [2, 3],
  ]);
  expect(events.at(-1)?.[2]).toEqual(latents);
});

test('the preview of the last step is the picture, that of an earlier one is another', async () => {
  const previews: RgbImage[][] = [];
  const { images } = await pipeline({
    ...small,
    scheduler: 'euler',
    numImagesPerPrompt: 2,
    onStep: async ({ preview }) => void previews.push(await preview()),
  });
  expect(previews.map(({ length }) => length)).toEqual([2, 2, 2]);
  // Euler ends on the network's estimate.
  const difference = images[1]!.data.map((value, i) => Math.abs(value - previews[2]![1]!.data[i]!));
  expect(Math.max(...difference)).toBeLessThanOrEqual(1);
  expect(previews[0]).not.toEqual(previews[2]);
});

test('an abort rejects with its reason and the pipeline goes on painting', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const run = pipeline({
    ...small,
    numInferenceSteps: 900,
    signal: controller.signal,
    onStep: ({ step }) => (step === 1 ? controller.abort(reason) : undefined),
  });
  await expect(run).rejects.toBe(reason);
  expect((await pipeline(small)).images).toHaveLength(1);
});

test.each<[Partial<TextToImageOptions>, string]>([
  [{ width: 60 }, "width is 60; this model's autoencoder makes multiples of 8. 64 is the nearest."],
  [{ height: Number.NaN }, "height is NaN; this model's autoencoder makes multiples of 8."],
  [{ prompt: [] }, 'prompt: the list is empty. Give at least one prompt.'],
  [{ negativePrompt: ['a', 'b'] }, 'negativePrompt: 2 came for 1 prompts. Give one for all or one for each.'],
  [{ numImagesPerPrompt: 0 }, 'numImagesPerPrompt is 0. Give an integer of at least 1.'],
  [{ numInferenceSteps: 0 }, 'numInferenceSteps'],
  [{ seed: [1, 2] }, 'seed: 2 came for 1 pictures. Give one for all or one for each.'],
  [{ variationStrength: 1.5 }, 'variationStrength is 1.5. Give a number from 0 to 1; 0 is off.'],
  [{ guidanceScale: Number.POSITIVE_INFINITY }, 'guidanceScale is Infinity.'],
  [
    { latents: createRng({ kind: 'torch-cpu', seed: 0 }).normal([1, 4, 8, 9]) },
    'latents are [1, 4, 8, 9]; for this model, size and number of pictures they must be [1, 4, 8, 8].',
  ],
  [{ scheduler: 'no such' }, 'no such'],
  [{ clipSkip: 7 }, 'text encoder: clipSkip is 7, this model has 3 layers.'],
])('%o is refused with what is wanted', async (change, message) => {
  await expect(pipeline({ ...small, ...change })).rejects.toThrow(message);
});

test('what another model would take is refused', async () => {
  const image = createRng({ kind: 'torch-cpu', seed: 0 }).uniform([1, 3, 64, 64]);
  for (const [name, value] of Object.entries({
    prompt2: 'a dog',
    negativePrompt2: 'a dog',
    prompt3: 'a dog',
    maxSequenceLength: 20,
    trueCfgScale: 4,
    targetSize: [64, 64],
    imageGuidanceScale: 2,
    noiseLevel: 20,
  })) {
    for (const request of [small, { prompt: 'a cat', image, numInferenceSteps: 2 }]) {
      await expect(pipeline({ ...request, [name]: value })).rejects.toThrow(
        `${name}: this model does not take it here. Leave it out.`,
      );
    }
  }
  const both = { ...small, seed: [1, 2], frames: 3, hiresScale: 2 };
  await expect(pipeline(both)).rejects.toThrow('hiresScale, frames: the pictures of a walk are not painted');
});

test('a picture from a picture has that one’s size, and another one is refused', async () => {
  const { images } = await pipeline({ prompt: 'a cat', numInferenceSteps: 1, seed: 0 });
  const options = { prompt: 'a dog', image: images[0]!, numInferenceSteps: 2 };
  for (const size of [{ width: 64 }, { height: 128 }]) {
    await expect(pipeline({ ...options, ...size })).rejects.toThrow(
      'width, height: a picture is painted over in its own size. Leave them out, or give the picture in the size that is wanted.',
    );
  }
});

test('a picture from a picture takes the share of the steps that strength says', async () => {
  const { images } = await pipeline(small);
  const steps: (readonly [number, number | undefined])[] = [];
  const image = images[0]!;
  const options = { prompt: 'a dog', image, numInferenceSteps: 10, seed: 0, scheduler: 'ddim' };
  const { pixels, strength } = await pipeline({
    ...options,
    strength: 0.3,
    onStep: ({ step, totalSteps }) => void steps.push([step, totalSteps]),
  });
  expect(steps).toEqual([
    [0, 3],
    [1, 3],
    [2, 3],
  ]);
  expect(strength).toBe(0.3);
  expect(pixels.dims).toEqual([1, 3, 64, 64]);
  await expect(pipeline({ ...options, strength: 0 })).rejects.toThrow(
    'strength is 0. Give a number above 0 and at most 1; 1 keeps nothing of the picture.',
  );
  await expect(pipeline({ ...options, strength: 0.05 })).rejects.toThrow(
    'strength is 0.05, which leaves none of 10 steps. Raise strength or numInferenceSteps.',
  );
  const odd = { ...image, height: 63, data: image.data.slice(0, 63 * 64 * 3) };
  await expect(pipeline({ ...options, image: odd })).rejects.toThrow(
    'height and width multiples of 8. Resize or crop it.',
  );
});

test.each([
  ['a list', { seed: [0, 5] }],
  ['seeds that count up', { seed: 4, seedPerImage: true }],
])(
  'with %s a picture of several is the one that its seed gives alone, noise of the steps included',
  async (_, seeds) => {
    const both = await pipeline({ ...small, ...seeds, numImagesPerPrompt: 2 });
    const alone = await pipeline({ ...small, seed: 5 });
    expect(both.seeds).toEqual(Array.isArray(seeds.seed) ? seeds.seed : [4, 5]);
    expect(both.seed).toBe(both.seeds[0]);
    expect(worst(alone.pixels, device.ops.slice(both.pixels, 1, 2))).toBeLessThan(1e-4);
    const { images } = await pipeline(small);
    const from = {
      prompt: 'a dog',
      image: images[0]!,
      strength: 0.5,
      scheduler: 'euler_a',
      numInferenceSteps: 4,
    };
    const [two, one] = [
      await pipeline({ ...from, ...seeds, numImagesPerPrompt: 2 }),
      await pipeline({ ...from, seed: 5 }),
    ];
    expect(worst(one.pixels, device.ops.slice(two.pixels, 1, 2))).toBeLessThan(1e-4);
  },
);

test('variations, other generators and the seed of the later noise change the picture as their names say', async () => {
  const plain = await pipeline(small);
  const varied = (variationStrength: number) => pipeline({ ...small, variationSeed: 9, variationStrength });
  expect((await varied(0)).latents).toEqual(plain.latents);
  const [little, much] = [await varied(0.05), await varied(0.8)];
  expect(little.variationSeeds).toEqual([9]);
  const distance = ({ latents }: { latents: Tensor }) => worst(latents, plain.latents);
  expect(distance(little)).toBeGreaterThan(0);
  expect(distance(little)).toBeLessThan(distance(much));
  expect(distance(await pipeline({ ...small, rng: 'torch-cuda' }))).toBeGreaterThan(0.1);
  // The noise to start from is the same, that of the steps is not.
  const after = async (etaNoiseSeedDelta: number, scheduler: string) =>
    (await pipeline({ ...small, scheduler, etaNoiseSeedDelta })).latents;
  expect(await after(31337, 'euler')).toEqual(await after(0, 'euler'));
  expect(worst(await after(31337, 'euler_a'), plain.latents)).toBeGreaterThan(0.01);
});

test.each(['euler_cfg_pp', 'dpmpp_2m_cfg_pp', 'DDIM CFG++'])(
  '%s is sent the negative output too, and steps along it',
  async (scheduler) => {
    const options = { ...small, scheduler, guidanceScale: 1.5, negativePrompt: 'a dog' };
    const { latents } = await pipeline(options);
    expect(latents.data.every(Number.isFinite)).toBe(true);
    // With a scale of 1 x̂₀ is the positive one, the noise still the negative one's.
    const [one, other] = [
      await pipeline({ ...options, guidanceScale: 1 }),
      await pipeline({ ...options, guidanceScale: 1, negativePrompt: 'a fox' }),
    ];
    expect(worst(one.latents, other.latents)).toBeGreaterThan(1e-4);
    const same = { ...options, prompt: 'a dog' };
    const plain = await pipeline({ ...same, scheduler: scheduler.startsWith('dpm') ? 'dpm++2m' : 'euler' });
    // Where the prompts are one and the same there is nothing to tell them apart.
    expect((await pipeline({ ...same, guidanceScale: 1 })).latents).toEqual(
      (await pipeline({ ...same, guidanceScale: 3 })).latents,
    );
    if (scheduler !== 'dpmpp_2m_cfg_pp')
      expect(worst((await pipeline(same)).latents, plain.latents)).toBeLessThan(1e-3);
  },
);

test('a sampler that finds its steps on the way says how far it is, not how many steps there are', async () => {
  const progress: number[] = [];
  const totals = new Set<number | undefined>();
  const steps: number[] = [];
  await pipeline({
    ...small,
    scheduler: 'dpm_adaptive',
    onStep: (event) => {
      progress.push(event.progress);
      totals.add(event.totalSteps);
      steps.push(event.step);
    },
  });
  expect([...totals]).toEqual([undefined]);
  expect(steps).toEqual(steps.map((_, i) => i));
  expect(steps.length).toBeGreaterThan(3);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(progress.at(-1)).toBe(1);
  expect(progress[0]).toBeLessThan(0.5);
  await expect(pipeline({ ...small, scheduler: 'dpm_adaptive', guidanceScale: 1e39 })).rejects.toThrow(
    'unet: in step 1 it gave',
  );
});

test('a guidance scale that overflows is found in the step where it does', async () => {
  await expect(pipeline({ ...small, guidanceScale: 1e39 })).rejects.toThrow(
    /^unet: in step 1 of 3 it gave \d+ of 256 elements that are not finite numbers\. The weights may be damaged, or the guidance scale too high/,
  );
});

/** Bytes that the inference process holds. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

test.runIf(process.platform === 'linux')(
  'twenty pictures take no more memory than three, and dispose gives it all back',
  async () => {
    const own = await loadPipeline(path, { device: 'cpu' });
    const { pid } = own.device as Device & { pid: number }; // what tools that measure memory use
    const resident: number[] = [];
    for (let i = 0; i < 20; i++) {
      await own({ ...small, seed: i });
      resident.push(await residentBytes(pid));
    }
    expect(resident[19]).toBeLessThan(1.05 * resident[2]!);
    await own.dispose();
    await expect(readFile(`/proc/${pid}/status`)).rejects.toThrow('ENOENT');
  },
);
