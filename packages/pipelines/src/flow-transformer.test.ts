import { readJson } from '@emulsion/checkpoints';
import type { RgbImage } from '@emulsion/image';
import type { Device } from '@emulsion/runtime';
import { createScheduler } from '@emulsion/schedulers';
import { createRng, type Tensor, zeros } from '@emulsion/tensor';
import { changedComponent, createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import {
  loadFluxPromptEncoder,
  loadSd3PromptEncoder,
  type TransformerPromptEmbeds,
} from '@emulsion/text-encoder';
import {
  loadFluxTransformer,
  loadSd3Transformer,
  packLatents,
  patchPositions,
  unpackLatents,
} from '@emulsion/transformer';
import { loadVae } from '@emulsion/vae';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let sd3: Pipeline;
let flux: Pipeline;
beforeAll(async () => {
  device = await createTestDevice();
  sd3 = await loadPipeline(await openFixture('golden/open/models/sd3'), { device });
  flux = await loadPipeline(await openFixture('golden/open/models/flux'), { device });
});
afterAll(() => device.dispose());

const small = { width: 32, height: 48, numInferenceSteps: 2, maxSequenceLength: 12 };

test('a seed gives the same picture again, of the size that is asked for, and each prompt its own', async () => {
  const request = { ...small, prompt: ['a cat', 'a mat'], seed: 7 };
  const [first, again] = [await sd3(request), await sd3(request)];
  expect(first.latents.dims).toEqual([2, 16, 6, 4]);
  expect(first.pixels.dims).toEqual([2, 3, 48, 32]);
  expect(again.pixels).toEqual(first.pixels);
  expect(first.seeds).toEqual([7]);
  const half = first.pixels.data.length / 2;
  expect(first.pixels.data.slice(half)).not.toEqual(first.pixels.data.slice(0, half));
});

test('levels are shifted for the size of the picture where the scheduler says so, and otherwise not', async () => {
  const timesteps = async (pipeline: Pipeline, height: number, scheduler?: object) => {
    const visited: number[] = [];
    const onStep = ({ timestep }: { timestep: number }) => void visited.push(timestep);
    const config = scheduler && { scheduler: { ...pipeline.schedulerConfig, ...scheduler } };
    await pipeline({ ...small, ...config, height, prompt: 'a cat', seed: 0, onStep });
    return visited;
  };
  expect(await timesteps(flux, 16)).not.toEqual(await timesteps(flux, 96));
  expect(await timesteps(sd3, 16)).toEqual(await timesteps(sd3, 96));
  const dynamic = { use_dynamic_shifting: true };
  expect(await timesteps(sd3, 16, dynamic)).not.toEqual(await timesteps(sd3, 96, dynamic));
});

test('requests that make no sense are refused', async () => {
  await expect(flux({ ...small, prompt: 'a cat', width: 40 })).rejects.toThrow(
    'width is 40. Give a multiple of 16, in pixels.',
  );
  for (const name of ['guidanceScale', 'trueCfgScale']) {
    await expect(flux({ ...small, prompt: 'a cat', negativePrompt: '', [name]: Number.NaN })).rejects.toThrow(
      `${name} is NaN. Give a finite number;`,
    );
  }
  await expect(flux({ ...small, prompt: 'a cat', latents: zeros([1, 4, 6, 4]) })).rejects.toThrow('latents');
  await expect(sd3({ ...small, prompt: ['a', 'b', 'c'], negativePrompt: ['a', 'b'] })).rejects.toThrow(
    'negativePrompt: 2 came for 3 prompts. Give one for all or one for each.',
  );
});

const worst = (a: Tensor, b: Tensor) => {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);
};

test('Stable Diffusion 3 composed by hand paints the same over a picture', async () => {
  const model = await openFixture('golden/open/models/sd3');
  const options = { device };
  const transformer = await loadSd3Transformer(model.subfolder('transformer'), options);
  const { textFeatures } = transformer.config;
  const promptEncoder = await loadSd3PromptEncoder(model, { device, textFeatures });
  const vae = await loadVae(model.subfolder('vae'), options);
  const { ops } = device;
  const image = ops.affine(createRng({ kind: 'torch-cpu', seed: 3 }).uniform([1, 3, 48, 32]), 0.8, 0.1);
  const reading = { maxSequenceLength: 12 };
  const positive = await promptEncoder.encode(['a cat'], { ...reading, prompts3: ['a mat'] });
  const negative = await promptEncoder.encode(['a dog'], reading);
  const scheduler = createScheduler(await readJson(model, 'scheduler/scheduler_config.json'));
  const plan = scheduler.plan({ numInferenceSteps: 4 });
  const rng = createRng({ kind: 'torch-cpu', seed: 5 });
  const { mean, logvar } = await vae.encode(ops.affine(image, 2, -1));
  const deviation = ops.exp(ops.affine(logvar, 0.5, 0));
  const clean = vae.toLatents(ops.combine([1, mean], [1, ops.multiply(deviation, rng.normal(mean.dims))]));
  // Of 4 steps 4 − 4 · 0.6 = 1.6 are left out: one.
  const sigma = plan.sigmas[1]!;
  let sample = ops.combine([1 - sigma, clean], [sigma, rng.normal(clean.dims)]);
  for (const [i, timestep] of plan.timesteps.entries()) {
    if (i === 0) continue;
    const velocity = async ({ promptEmbeds, pooledPromptEmbeds }: TransformerPromptEmbeds) =>
      transformer.predict({
        sample,
        timestep,
        encoderHiddenStates: promptEmbeds,
        pooledTextEmbeds: pooledPromptEmbeds,
      });
    const guided = ops.combine([4, await velocity(positive)], [-3, await velocity(negative)]);
    sample = ops.combine([1, sample], [plan.sigmas[i + 1]! - plan.sigmas[i]!, guided]);
  }
  const timesteps: number[] = [];
  const { latents, pixels, seed } = await sd3({
    prompt: 'a cat',
    prompt3: 'a mat',
    negativePrompt: 'a dog',
    guidanceScale: 4,
    image,
    numInferenceSteps: 4,
    seed: 5,
    ...reading,
    onStep: ({ timestep }) => void timesteps.push(timestep),
  });
  expect(timesteps).toEqual(plan.timesteps.slice(1));
  expect(worst(latents, sample)).toBeLessThan(1e-4);
  const decoded = await vae.decode(vae.fromLatents(sample));
  expect(worst(pixels, ops.clamp(ops.affine(decoded, 0.5, 0.5), 0, 1))).toBeLessThan(1e-4);
  expect(seed).toBe(5);
  for (const part of [transformer, promptEncoder, vae]) await part.dispose();
});

test('Flux composed by hand paints the same, led away from a prompt too', async () => {
  const model = await openFixture('golden/open/models/flux');
  const options = { device };
  const transformer = await loadFluxTransformer(model.subfolder('transformer'), options);
  const promptEncoder = await loadFluxPromptEncoder(model, options);
  const { ops } = device;
  const reading = { maxSequenceLength: 12 };
  const positive = await promptEncoder.encode(['a cat'], { ...reading, prompts2: ['a mat'] });
  const negative = await promptEncoder.encode(['a dog'], reading);
  const config = (await readJson(model, 'scheduler/scheduler_config.json')) as object;
  const scheduler = createScheduler(config);
  // 48 by 32 pixels are 6 tokens; the shift goes from 0.5 at 256 tokens to 1.15 at 4096.
  const plan = scheduler.plan({ sigmas: [1, 2 / 3, 1 / 3], mu: 0.5 + (0.65 * (6 - 256)) / (4096 - 256) });
  let sample = createRng({ kind: 'torch-cpu', seed: 5 }).normal([1, 16, 6, 4]);
  for (const [i, timestep] of plan.timesteps.entries()) {
    const velocity = async ({ promptEmbeds, pooledPromptEmbeds }: TransformerPromptEmbeds) => {
      const output = await transformer.predict({
        sample: packLatents(sample),
        timestep: timestep / 1000,
        guidance: 2,
        encoderHiddenStates: promptEmbeds,
        pooledTextEmbeds: pooledPromptEmbeds,
        positions: patchPositions(6, 4),
      });
      return unpackLatents(output, 6, 4);
    };
    const guided = ops.combine([3, await velocity(positive)], [-2, await velocity(negative)]);
    sample = ops.combine([1, sample], [plan.sigmas[i + 1]! - plan.sigmas[i]!, guided]);
  }
  const request = {
    ...small,
    prompt: 'a cat',
    prompt2: 'a mat',
    numInferenceSteps: 3,
    guidanceScale: 2,
    seed: 5,
  };
  const led = { ...request, negativePrompt: 'a dog', trueCfgScale: 3 };
  expect(worst((await flux(led)).latents, sample)).toBeLessThan(1e-4);
  // Without a scale of its own a negative prompt changes nothing, as in diffusers.
  await expect(flux({ ...request, negativePrompt: 'a dog' })).rejects.toThrow(
    'negativePrompt: Flux reads it with a trueCfgScale above 1 only. Give one, or leave it out.',
  );
  await expect(flux({ ...request, trueCfgScale: 3 })).rejects.toThrow(
    'trueCfgScale: there is no negativePrompt to be led away from. Give one; it may be empty.',
  );
  expect(await flux({ ...request, negativePrompt: '', trueCfgScale: 1 })).toEqual(await flux(request));
  for (const part of [transformer, promptEncoder]) await part.dispose();
});

test('without a size a picture has that of the model', async () => {
  const { width: _width, height: _height, ...request } = small;
  const { pixels } = await sd3({ ...request, prompt: 'a cat', seed: 7 });
  expect(pixels.dims).toEqual([1, 3, 64, 64]);
});

test('a Flux that takes no guidance was distilled to four steps', async () => {
  const model = await openFixture('golden/open/models/flux');
  const stored = model.subfolder('transformer');
  const weights = Object.entries(await readWeights(stored)).filter(([name]) => !name.includes('guidance'));
  const schnell = await changedComponent(stored, { guidance_embeds: false }, Object.fromEntries(weights));
  const pipeline = await loadPipeline(
    {
      ...model,
      has: (path) => model.has(path),
      read: (path, range) => model.read(path, range),
      subfolder: (path) => (path === 'transformer' ? schnell : model.subfolder(path)),
    },
    { device },
  );
  expect(pipeline.defaults).toEqual({ numInferenceSteps: 4, guidanceScale: 1 });
  let steps = 0;
  const { numInferenceSteps: _, ...request } = small;
  await pipeline({ ...request, prompt: 'a cat', seed: 7, onStep: () => void steps++ });
  expect(steps).toBe(4);
  await pipeline.dispose();
});

test('a picture may come as its latents, and gives its size', async () => {
  const { latents } = await flux({ ...small, prompt: 'a cat', seed: 7 });
  const over = await flux({ ...small, width: undefined, height: undefined, prompt: 'a mat', image: latents });
  expect(over.latents.dims).toEqual(latents.dims);
  await expect(flux({ ...small, prompt: 'a mat', image: latents, height: 64 })).rejects.toThrow(
    'height is 64, and that of the picture 48. Resize the picture, or leave height out.',
  );
});

test('several pictures of a prompt differ, and a preview is what is expected of them', async () => {
  const previews: RgbImage[][] = [];
  const { images } = await sd3({
    ...small,
    prompt: 'a cat',
    seed: 7,
    numImagesPerPrompt: 2,
    onStep: async ({ preview }) => void previews.push(await preview()),
  });
  expect(images).toHaveLength(2);
  expect(images[0]).not.toEqual(images[1]);
  // Euler ends on the network's estimate.
  expect(previews.at(-1)).toEqual(images);
});

test('what these pipelines do not do is refused, and so are ControlNets', async () => {
  const picture = zeros([1, 3, 48, 32]);
  const foreign = { ipAdapterImage: picture, adapterImage: picture, denoisingStart: 0.5 };
  for (const pipeline of [sd3, flux]) {
    for (const [name, value] of Object.entries(foreign)) {
      await expect(pipeline({ ...small, prompt: 'a cat', image: picture, [name]: value })).rejects.toThrow(
        `${name}: Stable Diffusion 3 and Flux do not take it here. Leave it out.`,
      );
    }
  }
  for (const pipeline of [sd3, flux]) {
    await expect(pipeline({ ...small, prompt: 'a cat', ...{ originalSize: [8, 8] } })).rejects.toThrow(
      'originalSize: Stable Diffusion 3 and Flux do not take it here. Leave it out.',
    );
  }
  await expect(sd3({ ...small, prompt: 'a cat', trueCfgScale: 2 })).rejects.toThrow(
    'trueCfgScale: Stable Diffusion 3 does not take it here. Leave it out.',
  );
  for (const [name, value] of Object.entries({ clipSkip: 1, prompt3: 'a dog', negativePrompt3: '' })) {
    await expect(flux({ ...small, prompt: 'a cat', [name]: value })).rejects.toThrow(
      `${name}: Flux does not take it here. Leave it out.`,
    );
  }
  const model = await openFixture('golden/open/models/sd3');
  const controlNets = [await openFixture('golden/open/models/controlnet')];
  await expect(loadPipeline(model, { device, controlNets })).rejects.toThrow(
    'a model with a transformer follows no ControlNets here. Leave controlNets out.',
  );
});

test('the parts are told of while they load, and are the pipeline', async () => {
  const events: string[] = [];
  const pipeline = await loadPipeline(await openFixture('golden/open/models/flux'), {
    device,
    onProgress: ({ component, loaded, total }) => void events.push(`${component} ${loaded}/${total}`),
  });
  expect(events).toEqual(['text_encoder 0/3', 'vae 1/3', 'transformer 2/3', 'transformer 3/3']);
  expect(pipeline.notes).toEqual([]);
  expect('transformer' in pipeline && pipeline.transformer.unusedWeights).toEqual([]);
  expect(pipeline.defaults).toEqual({ numInferenceSteps: 28, guidanceScale: 3.5 });
  await pipeline.dispose();
});
