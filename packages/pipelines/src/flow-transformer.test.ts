import type { Device } from '@emulsion/runtime';
import { zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FluxPipeline, loadFlux } from './flux.ts';
import { loadStableDiffusion3, type StableDiffusion3Pipeline } from './stable-diffusion-3.ts';

let device: Device;
let sd3: StableDiffusion3Pipeline;
let flux: FluxPipeline;
beforeAll(async () => {
  device = await createTestDevice();
  sd3 = await loadStableDiffusion3(await openFixture('golden/open/models/sd3'), { device });
  flux = await loadFlux(await openFixture('golden/open/models/flux'), { device });
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
  const timesteps = async (pipeline: typeof flux | typeof sd3, height: number, scheduler?: object) => {
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
  await expect(flux({ ...small, prompt: 'a cat', latents: zeros([1, 4, 6, 4]) })).rejects.toThrow('latents');
  await expect(sd3({ ...small, prompt: ['a', 'b', 'c'], negativePrompt: ['a', 'b'] })).rejects.toThrow(
    'negativePrompt: 2 came for 3 prompts. Give one for all or one for each.',
  );
});
