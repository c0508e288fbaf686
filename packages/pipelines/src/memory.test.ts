/// <reference types="node" />
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RgbImage } from '@emulsion/image';
import { inputShapes } from '@emulsion/onnx';
import { type Device, runMemory } from '@emulsion/runtime';
import { createDevice } from '@emulsion/runtime-node';
import { type Tensor, zeros } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import { loadVae } from '@emulsion/vae';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeLatents } from './decode-latents.ts';
import { type LoadEvent, type LoadPipelineOptions, loadPipeline, planMemory } from './load-pipeline.ts';

const fixture = (path: string) =>
  fileURLToPath(new URL(`../../../fixtures/golden/open/models/${path}`, import.meta.url));
const path = fixture('sd1');
let device: Device;
beforeAll(async () => {
  device = await createDevice('cpu');
});
afterAll(() => device.dispose());

const small = { prompt: 'a cat', numInferenceSteps: 2, seed: 0, width: 64, height: 64 };
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);
const load = (options: LoadPipelineOptions) => loadPipeline(path, { device, ...options });

/** Paints two pictures, and tells which parts were loaded on the way. */
async function paintTwice(options: LoadPipelineOptions) {
  const loads: string[] = [];
  const onProgress = ({ component, loaded, total }: LoadEvent) => {
    if (loaded < total) loads.push(component);
  };
  const pipeline = await load({ ...options, onProgress });
  const before = loads.length;
  const pictures = [await pipeline(small), await pipeline(small)] as const;
  await pipeline.dispose();
  return { pictures, loads: loads.slice(before) };
}

test('whatever stays and leaves, the picture is the same, and what stays is loaded once', async () => {
  const kept = await paintTwice({ keepLoaded: true });
  expect(kept.loads).toEqual(['vae decoder']);
  const left = await paintTwice({ keepLoaded: false });
  const all = ['text encoder', 'unet', 'vae decoder'];
  expect(left.loads).toEqual([...all, ...all]);
  const usual = await paintTwice({});
  for (const { pictures } of [left, usual]) {
    for (const picture of pictures) expect(picture).toEqual(kept.pictures[0]);
  }
});

test('under a budget what fits stays, and what was just done leaves', async () => {
  const { components } = await planMemory(path, { device });
  const bytes = Object.fromEntries(
    components.map(({ component, weightBytes, activationBytes = 0 }) => [
      component,
      weightBytes + activationBytes,
    ]),
  );
  expect(Object.keys(bytes)).toEqual(['text encoder', 'unet', 'vae decoder']);
  const two = bytes.unet! + bytes['vae decoder']! - 1;
  // Text encoder and U-Net fit beside each other, U-Net and decoder do not.
  expect(bytes['text encoder']).toBeLessThan(bytes['vae decoder']!);
  const { loads } = await paintTwice({ memoryBudget: two });
  expect(loads).toEqual(['vae decoder', 'unet', 'vae decoder']);
});

test('a plan names each part with its bytes: those in files are those that the files have', async () => {
  const plan = await planMemory(path, { device });
  const [text, unet] = plan.components;
  const { size } = await stat(`${path}/unet/diffusion_pytorch_model.safetensors`);
  const header = Number(
    (await readFile(`${path}/unet/diffusion_pytorch_model.safetensors`)).readBigUInt64LE(0),
  );
  expect(unet!.storedBytes).toBe(size - 8 - header);
  expect(unet!.weightBytes).toBeGreaterThanOrEqual(unet!.storedBytes);
  expect(text!.activationBytes).toBeGreaterThan(0);
  expect(plan).toMatchObject({ width: 64, height: 64, pictures: 1, fromImage: false, vaeTiling: false });
  const { components } = await planMemory(path, { device, fromImage: true });
  expect(components.map(({ component }) => component)).toEqual([
    'text encoder',
    'vae encoder',
    'unet',
    'vae decoder',
  ]);
});

/** A device that keeps account of the largest run of each graph. */
function accountingDevice(): { accounting: Device; largest: Map<string, number> } {
  const largest = new Map<string, number>();
  const { kind, dialect, notes, ops } = device;
  const accounting: Device = {
    ...{ kind, dialect, notes, ops },
    openWorkspace: () => device.openWorkspace(),
    hold: (tensor) => device.hold(tensor),
    dispose: async () => {},
    async createSession(model, options) {
      const session = await device.createSession(model, options);
      return {
        run: (feeds, options) => {
          // A plan is for no adapters: their places are as small as they can be.
          const own = Object.entries(feeds).filter(([input]) => !input.includes('.lora_'));
          const shapes = {
            ...inputShapes(model, {}),
            ...Object.fromEntries(own.map(([input, { dims }]) => [input, dims])),
          };
          const { name } = model.graph;
          largest.set(name, Math.max(largest.get(name) ?? 0, runMemory(model, shapes) ?? 0));
          return session.run(feeds, options);
        },
        dispose: () => session.dispose(),
      };
    },
  };
  return { accounting, largest };
}

test.each([
  ['unet', {}, {}],
  ['controlnet', { controlNets: [fixture('controlnet')] }, { controlImage: zeros([1, 3, 64, 64]) }],
])('%s is planned with both prompts, as it runs with guidance', async (name, options, request) => {
  const { accounting, largest } = accountingDevice();
  const pipeline = await loadPipeline(path, { device: accounting, ...options });
  const { components } = await pipeline.plan();
  await pipeline({ ...small, ...request, guidanceScale: 7 });
  const planned = components.find(({ component }) => component === name)?.activationBytes;
  expect(planned).toBeGreaterThan(0);
  expect(planned).toBe(largest.get(name));
  await pipeline.dispose();
});

test('InstructPix2Pix is planned with both prompts, and with neither beside its picture', async () => {
  const { accounting, largest } = accountingDevice();
  const folder = await mkdtemp(join(tmpdir(), 'emulsion-'));
  await cp(path, folder, { recursive: true });
  await cp(fixture('ip2p/unet'), join(folder, 'unet'), { recursive: true });
  const index = JSON.parse(await readFile(join(path, 'model_index.json'), 'utf8'));
  const instructed = { ...index, _class_name: 'StableDiffusionInstructPix2PixPipeline' };
  await writeFile(join(folder, 'model_index.json'), JSON.stringify(instructed));
  const pipeline = await loadPipeline(folder, { device: accounting });
  const { components } = await pipeline.plan();
  await pipeline({
    prompt: 'make it red',
    image: zeros([1, 3, 64, 64]),
    numInferenceSteps: 1,
    guidanceScale: 7,
  });
  const planned = components.find(({ component }) => component === 'unet')?.activationBytes;
  expect(planned).toBeGreaterThan(0);
  expect(planned).toBe(largest.get('unet'));
  await pipeline.dispose();
  await rm(folder, { recursive: true });
});

test('transformers are planned with one prompt: they run with one after the other', async () => {
  const { accounting, largest } = accountingDevice();
  const pipeline = await loadPipeline(fixture('sd3'), { device: accounting });
  const { components } = await pipeline.plan({ width: 32, height: 32 });
  const maxSequenceLength = 512 - 77; // a plan is for 512 tokens
  await pipeline({ ...small, width: 32, height: 32, guidanceScale: 7, maxSequenceLength });
  const planned = components.find(({ component }) => component === 'transformer')?.activationBytes;
  expect(planned).toBeGreaterThan(0);
  expect(planned! / largest.get('transformer')!).toBeLessThan(1.5);
  await pipeline.dispose();
});

test('larger pictures are planned larger; the peak is that of the options', async () => {
  const pipeline = await load({ keepLoaded: true });
  const [one, four] = [await pipeline.plan(), await pipeline.plan({ width: 128, height: 128 })];
  const working = ({ components }: typeof one) => components[1]!.activationBytes!;
  expect(working(four) / working(one)).toBeGreaterThan(3);
  const sum = one.components.reduce(
    (bytes, { weightBytes, activationBytes = 0 }) => bytes + weightBytes + activationBytes,
    0,
  );
  expect(one.peakBytes).toBe(sum);
  await pipeline.dispose();
  const alone = await planMemory(path, { device, keepLoaded: false });
  const largest = Math.max(
    ...alone.components.map(({ weightBytes, activationBytes = 0 }) => weightBytes + activationBytes),
  );
  expect(alone.peakBytes).toBe(largest);
  expect(alone.leaving.toSorted()).toEqual(['text encoder', 'unet', 'vae decoder']);
});

test('pictures whose latents cannot be halved are planned as the next that can, and painted', async () => {
  const unetBytes = async (width: number) =>
    (await planMemory(path, { device, width, height: 64 })).components.find(
      ({ component }) => component === 'unet',
    )?.activationBytes;
  expect(await unetBytes(72)).toBe(await unetBytes(128));
  const pipeline = await load({});
  const { images } = await pipeline({ ...small, width: 72, height: 88 });
  expect(images.map(({ width, height }) => [width, height])).toEqual([[72, 88]]);
  await pipeline.dispose();
});

test('a budget that is too small is refused before anything is loaded, and so are larger pictures', async () => {
  const { peakBytes } = await planMemory(path, { device, keepLoaded: false });
  await expect(load({ memoryBudget: 1e5 })).rejects.toThrow(
    /^memoryBudget: a picture of 64×64 takes [\d.]+ [kM]B at least, and the budget is 100 kB\. The largest part is /,
  );
  const pipeline = await load({ memoryBudget: peakBytes });
  expect((await pipeline(small)).images).toHaveLength(1);
  await expect(pipeline({ ...small, width: 1024, height: 1024 })).rejects.toMatchObject({
    name: 'MemoryBudgetError',
    budgetBytes: peakBytes,
  });
  await pipeline.dispose();
  await expect(load({ memoryBudget: 1e9, keepLoaded: true })).rejects.toThrow(
    'keepLoaded is true and memoryBudget 1000000000. Give one of them.',
  );
  await expect(load({ memoryBudget: 0 })).rejects.toThrow(
    'memoryBudget is 0. Give a number of bytes above 0.',
  );
});

test('pictures are decoded by tiles where the whole would take more than it may, or where it is asked', async () => {
  const pipeline = await load({});
  const { latents, pixels } = await pipeline(small);
  const tiled = await decodeLatents(pipeline, latents, { vaeTiling: { tileSize: 32 } });
  expect(worst(tiled, pixels)).toBeLessThan(2 / 255 / 100);
  expect(tiled).not.toEqual(pixels);
  expect((await pipeline({ ...small, vaeTiling: true })).images).toHaveLength(1);
  // A megabyte is little, where a gigabyte may be taken without a word.
  const size = { width: 256, height: 256 };
  expect((await pipeline.plan(size)).vaeTiling).toBe(false);
  const large = await planMemory(path, { device, memoryBudget: 4e6, ...size });
  expect(large.vaeTiling).toBe(true);
  const whole = (await pipeline.vae.decodeMemory([1, 4, 32, 32])).activations!;
  expect(whole).toBeGreaterThan(4e6);
  expect(large.components.at(-1)!.activationBytes).toBeLessThan(whole / 2);
  const from = await planMemory(path, { device, memoryBudget: 1e6, fromImage: true, ...size });
  const encoder = from.components.find(({ component }) => component === 'vae encoder')!;
  const encoded = (await pipeline.vae.encodeMemory([1, 3, 256, 256])).activations!;
  expect(encoded).toBeGreaterThan(1e6);
  expect(encoder.activationBytes).toBeLessThan(encoded);
  await pipeline.dispose();
});

test('a preview leaves the network where it is', async () => {
  const loads: string[] = [];
  const onProgress = ({ component, loaded, total }: LoadEvent) => {
    if (loaded < total) loads.push(component);
  };
  const pipeline = await load({ keepLoaded: false, onProgress });
  loads.length = 0;
  await pipeline({ ...small, numInferenceSteps: 3, onStep: async ({ preview }) => void (await preview()) });
  expect(loads.filter((name) => name === 'unet')).toHaveLength(1);
  await pipeline.dispose();
});

test('previews are made by a tiny autoencoder, or by a linear map', async () => {
  const pipeline = await load({ previewVae: fixture('taesd') });
  const previewed = async (options: object) => {
    const previews: RgbImage[] = [];
    const { latents } = await pipeline({
      ...small,
      scheduler: 'euler',
      ...options,
      onStep: async ({ preview }) => void previews.push(...(await preview())),
    });
    return { last: previews.at(-1)!, latents };
  };
  const { last, latents } = await previewed({});
  const tiny = await loadVae(await openFixture('golden/open/models/taesd'), { device });
  // Euler ends on the network's estimate.
  const decoded = await decodeLatents({ vae: tiny, device }, latents, {});
  const bytes = Array.from(decoded.data, (value) => Math.round(value * 255));
  const area = 64 * 64;
  expect(Math.abs(last.data[3 * 5 + 1]! - bytes[area + 5]!)).toBeLessThanOrEqual(1);
  expect(last.width).toBe(64);
  expect((await previewed({ previewMethod: 'projection' })).last).toMatchObject({ width: 8, height: 8 });
  expect((await previewed({ previewMethod: 'vae' })).last).not.toEqual(last);
  await pipeline.dispose();
  const without = await load({});
  const run = without({
    ...small,
    previewMethod: 'tiny',
    onStep: async ({ preview }) => void (await preview()),
  });
  await expect(run).rejects.toThrow(
    'previewMethod is "tiny", and there is no tiny autoencoder. Give loadPipeline the folder of one, such as TAESD, as previewVae.',
  );
  await without.dispose();
  await expect(load({ previewVae: fixture('sd3/vae') })).rejects.toThrow(
    /^previewVae: its latents have 16 channels, one for \d+ pixels; those of the model have 4, one for 8\./,
  );
});
