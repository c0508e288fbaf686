import { loadControlNet } from '@emulsion/controlnet';
import { type Device, hostWorkspace } from '@emulsion/runtime';
import { createDevice } from '@emulsion/runtime-web';
import { createRng, type Tensor } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';
import type { PaintStepEvent } from './paint-options.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { textToImage } from './text-to-image.ts';

// WebGPU in software takes its time.
vi.setConfig({ testTimeout: 300_000 });

let device: Device;
let pipeline: Pipeline;
beforeAll(async () => {
  device = await createDevice('webgpu');
  pipeline = await loadPipeline(await openFixture('golden/open/models/sd1'), { device });
});
afterAll(async () => {
  await pipeline.dispose();
  await device.dispose();
});

/** Bytes of each buffer that was read, by whomever. */
let read: number[];
beforeEach(() => {
  read = [];
  const { mapAsync } = GPUBuffer.prototype;
  vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockImplementation(function (this: GPUBuffer, ...how) {
    read.push(this.size);
    return mapAsync.apply(this, how);
  });
});
afterEach(() => vi.restoreAllMocks());

/** A count of elements that are no numbers: the smallest buffer there is. */
const countBytes = 16;

/** The largest difference of two tensors. */
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0);

const rng = createRng({ kind: 'torch-cpu', seed: 0 });

const small = {
  prompt: 'a cat',
  numInferenceSteps: 2,
  width: 32,
  height: 32,
  seed: 3,
  scheduler: 'euler_a',
};

test('previews and latents are read when they are asked for, the end once', async () => {
  const bytes: number[][] = [];
  const onStep = async ({ step, preview, latents }: PaintStepEvent) => {
    bytes.push(read.splice(0));
    if (step === 1) return;
    expect((await latents()).dims).toEqual([1, 4, 4, 4]);
    bytes.push(read.splice(0));
    expect((await preview())[0]).toMatchObject({ width: 32, height: 32 });
    bytes.push(read.splice(0));
  };
  await pipeline({ ...small, onStep });
  bytes.push(read.splice(0));
  const [latentBytes, pictureBytes] = [4 * 4 * 4 * 4, 4 * 3 * 32 * 32];
  expect(bytes.slice(1)).toEqual([
    [latentBytes],
    [latentBytes, pictureBytes],
    [countBytes],
    [latentBytes, pictureBytes],
  ]);
});

test('residuals of ControlNets stay on the card too, and lead to the same picture', async () => {
  const controlNet = await loadControlNet(await openFixture('golden/open/models/controlnet'), { device });
  const parts = { ...(pipeline as StableDiffusionParts), controlNets: [controlNet, controlNet] };
  const controlImage = [rng.uniform([1, 3, 32, 32]), rng.uniform([1, 3, 32, 32])];
  const bytes: number[][] = [];
  const onStep = () => void bytes.push(read.splice(0));
  const onCard = await textToImage(parts, { ...small, controlImage, onStep });
  expect(bytes[1]).toEqual([countBytes]);
  vi.spyOn(device, 'openWorkspace').mockReturnValue(hostWorkspace);
  const onHost = await textToImage(parts, { ...small, controlImage });
  expect(worst(onCard.latents, onHost.latents)).toBeLessThan(1e-3);
  await controlNet.dispose();
});

test('a sampler that chooses its steps computes on the host; an abort ends it, and all goes on', async () => {
  const opened = vi.spyOn(device, 'openWorkspace');
  for (const [scheduler, workspaces] of [
    ['dpm_adaptive', 0],
    ['heun', 1],
  ] as const) {
    const controller = new AbortController();
    const reason = new Error('enough');
    const onStep = () => controller.abort(reason);
    const run = pipeline({ ...small, scheduler, signal: controller.signal, onStep });
    await expect(run).rejects.toBe(reason);
    expect(opened).toHaveBeenCalledTimes(workspaces);
  }
  expect((await pipeline(small)).latents.dims).toEqual([1, 4, 4, 4]);
});
