import { type Folder, openSafetensors, readTensor } from '@emulsion/checkpoints';
import type { RgbImage } from '@emulsion/image';
import { loadImageEncoder } from '@emulsion/image-encoder';
import { loadIpAdapter } from '@emulsion/ip-adapter';
import type { Device } from '@emulsion/runtime';
import { cpuOps, createRng, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { joinPrompts } from './join-prompts.ts';
import { type LoadPipelineOptions, loadPipeline } from './load-pipeline.ts';
import { type PictureAdapter, type PicturePromptOptions, picturePrompts } from './picture-prompts.ts';

let device: Device;
let recorded: Folder;
let plain: PictureAdapter;
let plus: PictureAdapter;
beforeAll(async () => {
  device = await createTestDevice();
  recorded = await openFixture('image-adapters');
  const imageEncoder = await loadImageEncoder(recorded.subfolder('image_encoder'), { device });
  plain = { adapter: await loadIpAdapter(recorded, 'ip-adapter_sd1.safetensors', { device }), imageEncoder };
  plus = {
    adapter: await loadIpAdapter(recorded, 'ip-adapter-plus_sd1.safetensors', { device }),
    imageEncoder,
  };
});
afterAll(() => device.dispose());

async function expected(name: string): Promise<Tensor> {
  const weights = await openSafetensors(recorded, 'expected.safetensors');
  return readTensor(recorded, weights.get(name)!);
}

async function picture(name: string): Promise<RgbImage> {
  const { dims, data } = await expected(`encoder.${name}.picture`);
  return { height: dims[0]!, width: dims[1]!, channels: 3, data: Uint8Array.from(data) };
}

function expectClose(actual: Tensor, wanted: Tensor): void {
  expect(actual.dims).toEqual(wanted.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - wanted.data[i]!)), 0);
  expect(worst).toBeLessThan(1e-4);
}

const twoPainted = { pictures: 2, guided: true };

test('the positive condition sees the pictures of an adapter beside each other, the negative one zeros', async () => {
  const images = [await picture('wide'), await picture('high')];
  const prompts = await picturePrompts([plain], { ipAdapterImage: [images] }, twoPainted);
  const beside = (one: Tensor, other: Tensor) => repeated(cpuOps.concat([one, other], 1));
  const repeated = (x: Tensor) => cpuOps.concat([x, x]);
  expectClose(
    prompts!.positive[0]!.tokens,
    beside(await expected('tokens.plain.wide'), await expected('tokens.plain.high')),
  );
  const none = await expected('tokens.plain.zeros');
  expectClose(prompts!.negative[0]!.tokens, beside(none, none));
});

test('an adapter that reads patches sees those of a picture of zeros in the negative condition', async () => {
  const prompts = await picturePrompts([plus], { ipAdapterImage: await picture('wide') }, twoPainted);
  const row = (x: Tensor) => cpuOps.slice(x, 1, 2);
  expectClose(row(prompts!.positive[0]!.tokens), await expected('tokens.plus.wide'));
  const none = await plus.adapter.project(await expected('encoder.zeros.hidden_state'));
  expectClose(row(prompts!.negative[0]!.tokens), none);
});

test('with masks each picture is a prompt by itself, and conditions are one batch', async () => {
  const images = [await picture('wide'), await picture('high')];
  const left: RgbImage = { width: 2, height: 1, channels: 3, data: Uint8Array.of(255, 255, 255, 0, 0, 0) };
  const right = cpuOps.affine(zeros([1, 1, 1, 2]), 1, 0.7);
  const options = {
    ipAdapterImage: [images, images[0]!],
    ipAdapterMask: [[left, right], []],
    ipAdapterScale: [0.5, [1, 2]],
  };
  const prompts = await picturePrompts([plain, plus], options, twoPainted);
  expect(prompts!.positive.map(({ mask, scale }) => [mask && [...mask.data], scale])).toEqual([
    [[1, 0], 0.5],
    [[1, 1], 0.5],
    [undefined, [1, 2]],
  ]);
  const joined = joinPrompts([prompts!.negative, prompts!.positive]);
  expect(joined!.imagePrompts!.map(({ tokens }) => tokens.dims)).toEqual([
    [4, 4, 32],
    [4, 4, 32],
    [4, 3, 32],
  ]);
  expect(joinPrompts([prompts!.negative, prompts!.positive.slice(1)])).toBeUndefined();
  expect(joinPrompts([undefined, prompts!.positive])).toBeUndefined();
  expect(joinPrompts([undefined, undefined])).toEqual({ imagePrompts: undefined });
});

test('what makes no sense is refused', async () => {
  const image = await picture('high');
  const refuse = (options: PicturePromptOptions, message: string, adapters = [plain]) =>
    expect(picturePrompts(adapters, options, twoPainted)).rejects.toThrow(message);
  await refuse(
    {},
    'ipAdapterImage: 0 came, and this pipeline has 1 IP-Adapters. Give a picture, or a list of pictures, for each.',
  );
  await refuse({ ipAdapterImage: image }, 'ipAdapterImage: 1 came, and this pipeline has 0 IP-Adapters.', []);
  await refuse(
    { ipAdapterImage: image, ipAdapterScale: [1, 2] },
    'ipAdapterScale is [1, 2]; one number for all of 1 IP-Adapters is wanted, or one entry for each.',
  );
  await refuse(
    { ipAdapterImage: [[image, image]], ipAdapterMask: image },
    'ipAdapterImage: 2 pictures came for an IP-Adapter, with 1 masks. Give at least one picture, and a mask for each or none.',
  );
  await refuse(
    { ipAdapterImage: image, ipAdapterMask: zeros([1, 3, 4, 4]) },
    'ipAdapterMask is [1, 3, 4, 4]; [1, 1, height, width] is wanted, or a picture of bytes.',
  );
  await refuse(
    { ipAdapterImage: zeros([2, 3, 4, 4]) },
    'ipAdapterImage is [2, 3, 4, 4]; one picture is wanted, [1, 3, height, width]. Give several as a list.',
  );
});

const load = async (options: LoadPipelineOptions) =>
  loadPipeline(await openFixture('golden/open/models/sd1'), { device, ...options });
const file = (path: string) => ({ folder: recorded, path });

test('a pipeline is given an IP-Adapter, whose encoder lies beside it, and paints after a picture', async () => {
  const request = { prompt: 'a cat', seed: 0, numInferenceSteps: 2, width: 64, height: 64 };
  const without = await load({});
  const { latents } = await without(request);
  await without.dispose();
  const pipeline = await load({ ipAdapters: [{ source: file('ip-adapter_sd1.safetensors') }] });
  expect(pipeline.notes).toEqual([]);
  const wide = { ...request, ipAdapterImage: await picture('wide') };
  expect((await pipeline({ ...wide, ipAdapterScale: 0 })).latents).toEqual(latents);
  const led = await pipeline(wide);
  expect(led.latents).not.toEqual(latents);
  const other = await pipeline({ ...request, ipAdapterImage: await picture('high') });
  expect(other.latents).not.toEqual(led.latents);
  await pipeline.dispose();
  const leaving = await load({
    ipAdapters: [{ source: file('ip-adapter_sd1.safetensors') }],
    keepLoaded: false,
  });
  const parts = (await leaving.plan()).components.map(({ component }) => component);
  expect(parts).toEqual(expect.arrayContaining(['image encoder', 'ip-adapter']));
  expect((await leaving(wide)).latents).toEqual(led.latents);
  await leaving.dispose();
});

test('two IP-Adapters give what they give in diffusers', async () => {
  const files = ['ip-adapter_sd1.safetensors', 'ip-adapter-plus_sd1.safetensors'];
  const pipeline = await load({ ipAdapters: files.map((path) => ({ source: file(path) })) });
  const [wide, high] = [await picture('wide'), await picture('high')];
  const { latents } = await pipeline({
    prompt: 'a photo of a cat',
    negativePrompt: 'blurry',
    numInferenceSteps: 3,
    guidanceScale: 5,
    width: 64,
    height: 64,
    seed: 7,
    ipAdapterImage: [[wide, high], high],
    ipAdapterScale: [0.6, 0.4],
  });
  const weights = await openSafetensors(recorded, 'pipelines.safetensors');
  expectClose(latents, await readTensor(recorded, weights.get('ip')!));
  await pipeline.dispose();
});

test('adapters for other models, and encoders that are missing or others, are refused when they are loaded', async () => {
  await expect(load({ ipAdapters: [{ source: file('ip-adapter_sdxl.safetensors') }] })).rejects.toThrow(
    'ip-adapter: "1.to_k_ip.weight" is [16, 72], for down_blocks.0.attentions.0.transformer_blocks.0.attn2 of this U-Net it must be [16, 32].',
  );
  await expect(load({ ipAdapters: [{ source: file('ip-adapter-full-face_sd1.bin') }] })).rejects.toThrow(
    'ip-adapter: "3.to_k_ip.weight" is missing',
  );
  const elsewhere = {
    folder: recorded.subfolder('t2i-adapter'),
    path: 'diffusion_pytorch_model.safetensors',
  };
  await expect(load({ ipAdapters: [{ source: elsewhere }] })).rejects.toThrow(
    'ipAdapters: there is no folder "image_encoder" beside diffusion_pytorch_model.safetensors, and the model has none. Give the encoder of pictures that the IP-Adapter was trained with (imageEncoder).',
  );
  const sd3 = await openFixture('golden/open/models/sd3');
  const ipAdapters = [{ source: file('ip-adapter_sd1.safetensors') }];
  await expect(loadPipeline(sd3, { device, ipAdapters })).rejects.toThrow(
    'a model with a transformer takes no T2I-Adapters or IP-Adapters here. Leave t2iAdapters and ipAdapters out.',
  );
});

test('a walk between seeds goes after a picture too', async () => {
  const pipeline = await load({ ipAdapters: [{ source: file('ip-adapter_sd1.safetensors') }] });
  const request = { prompt: 'a cat', numInferenceSteps: 1, width: 64, height: 64 };
  const ipAdapterImage = cpuOps.clamp(createRng({ kind: 'torch-cpu', seed: 0 }).normal([1, 3, 30, 20]), 0, 1);
  const walk = await pipeline({ ...request, ipAdapterImage, seed: [1, 2], frames: 2 });
  const alone = await pipeline({ ...request, ipAdapterImage, seed: 2 });
  expectClose(cpuOps.slice(walk.latents, 1, 2), alone.latents);
  await pipeline.dispose();
});
