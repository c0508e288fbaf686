import { type Folder, memoryFolder, readJson, writeSafetensors } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createScheduler } from '@emulsion/schedulers';
import { createRng, type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import { loadPromptEncoder } from '@emulsion/text-encoder';
import { loadUnet } from '@emulsion/unet';
import { loadVae } from '@emulsion/vae';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';
import { upscale } from './upscale.ts';

let device: Device;
let folder: Folder;
let upscaler: Pipeline;
beforeAll(async () => {
  device = await createTestDevice();
  folder = await upscalerOf(await openFixture('golden/open/models/sd2'));
  upscaler = await loadPipeline(folder, { device });
});
afterAll(() => device.dispose());

const lowResScheduler = {
  _class_name: 'DDPMScheduler',
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: 'scaled_linear',
};

/** An upscaler out of a model with four channels: three more, a table of noise levels, and an autoencoder of scale 4. */
async function upscalerOf(model: Folder): Promise<Folder> {
  const files: Record<string, string | Uint8Array> = {};
  for (const path of [
    ...['config.json', 'model.safetensors'].map((name) => `text_encoder/${name}`),
    ...['vocab.json', 'merges.txt', 'tokenizer_config.json'].map((name) => `tokenizer/${name}`),
    'scheduler/scheduler_config.json',
  ])
    files[path] = await model.read(path);
  const rng = createRng({ kind: 'torch-cpu', seed: 9 });
  const unet = await readWeights(model.subfolder('unet'));
  const [channels = 0] = unet['conv_in.weight']!.dims;
  unet['conv_in.weight'] = besides(unet['conv_in.weight']!, rng.normal([channels, 3, 3, 3]));
  unet['class_embedding.weight'] = rng.normal([40, unet['time_embedding.linear_2.bias']!.dims[0]!]);
  const vae = Object.fromEntries(
    Object.entries(await readWeights(model.subfolder('vae'))).flatMap(([name, value]) => {
      const [, level] = /(?:down|up)_blocks\.(\d)\./.exec(name) ?? [];
      // The third of four resolutions is left out: it has as many channels as the second.
      if (level === '2') return [];
      return [[level === '3' ? name.replace('_blocks.3.', '_blocks.2.') : name, value]];
    }),
  );
  const config = async (component: string) =>
    (await readJson(model.subfolder(component), 'config.json')) as object;
  const three = (type: string) => [type, type, type];
  Object.assign(files, {
    'unet/diffusion_pytorch_model.safetensors': writeSafetensors(unet),
    'unet/config.json': JSON.stringify({ ...(await config('unet')), in_channels: 7, num_class_embeds: 40 }),
    'vae/diffusion_pytorch_model.safetensors': writeSafetensors(vae),
    'vae/config.json': JSON.stringify({
      ...(await config('vae')),
      block_out_channels: [8, 8, 16],
      down_block_types: three('DownEncoderBlock2D'),
      up_block_types: three('UpDecoderBlock2D'),
      scaling_factor: 0.08333,
    }),
    'low_res_scheduler/scheduler_config.json': JSON.stringify(lowResScheduler),
    'model_index.json': JSON.stringify({
      _class_name: 'StableDiffusionUpscalePipeline',
      max_noise_level: 30,
      low_res_scheduler: ['diffusers', 'DDPMScheduler'],
      scheduler: ['diffusers', 'DDIMScheduler'],
      text_encoder: ['transformers', 'CLIPTextModel'],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      unet: ['diffusers', 'UNet2DConditionModel'],
      vae: ['diffusers', 'AutoencoderKL'],
    }),
  });
  return memoryFolder(files, 'upscaler');
}

/** Tensors joined along the second axis. */
function besides(a: Tensor, b: Tensor): Tensor {
  const [rows = 0, left = 0, ...rest] = a.dims;
  const row = ({ data }: Tensor, i: number) => [
    ...data.slice((i * data.length) / rows, ((i + 1) * data.length) / rows),
  ];
  const data = Array.from({ length: rows }, (_, i) => [...row(a, i), ...row(b, i)]);
  return tensor(data.flat(), [rows, left + b.dims[1]!, ...rest]);
}

const worst = (a: Tensor, b: Tensor) => {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);
};

const image = createRng({ kind: 'torch-cpu', seed: 1 }).uniform([1, 3, 16, 24]);
const request = { prompt: 'a cat', image, noiseLevel: 25, numInferenceSteps: 3, seed: 4 };

test('a picture is enlarged four times, as the parts composed by hand do it', async () => {
  const { images, latents, pixels } = await upscaler({ ...request, negativePrompt: 'a dog' });
  expect(images.map(({ width, height }) => [width, height])).toEqual([[96, 64]]);
  const { ops } = device;
  const promptEncoder = await loadPromptEncoder(folder, { device });
  const unet = await loadUnet(folder.subfolder('unet'), { device });
  const vae = await loadVae(folder.subfolder('vae'), { device });
  const rng = createRng({ kind: 'torch-cpu', seed: 4 });
  // ᾱ of the low-resolution scheduler at level 25, in the formula of scaled_linear.
  const [first, last] = [Math.sqrt(0.0001), Math.sqrt(0.02)];
  const alpha = Array.from({ length: 26 }, (_, t) => 1 - (first + ((last - first) * t) / 999) ** 2).reduce(
    (product, value) => product * value,
  );
  const noised = ops.combine(
    [Math.sqrt(alpha), ops.affine(image, 2, -1)],
    [Math.sqrt(1 - alpha), rng.normal(image.dims)],
  );
  const scheduler = createScheduler(upscaler.schedulerConfig);
  const plan = scheduler.plan({ numInferenceSteps: 3 });
  const start = ops.combine([plan.initNoiseSigma, rng.normal([1, 4, 16, 24])]);
  const [positive, negative] = [await promptEncoder.encode(['a cat']), await promptEncoder.encode(['a dog'])];
  const sampler = scheduler.sample({ plan, sample: start, ops });
  let turn = sampler.next();
  while (!turn.done) {
    const { sample, timestep } = turn.value;
    const seen = besides(sample, noised);
    const [towards, away] = await Promise.all(
      [positive, negative].map((encoderHiddenStates) =>
        unet.predict({ sample: seen, timestep, encoderHiddenStates, classLabels: 25 }),
      ),
    );
    turn = sampler.next(ops.combine([9, towards!], [-8, away!]));
  }
  expect(worst(latents, turn.value)).toBeLessThan(1e-3);
  const decoded = await vae.decode(ops.affine(turn.value, 1 / 0.08333, 0));
  expect(worst(pixels, ops.clamp(ops.affine(decoded, 0.5, 0.5), 0, 1))).toBeLessThan(1e-3);
  for (const part of [promptEncoder, unet, vae]) await part.dispose();
});

test('memory is planned for the large picture, and the small one is not encoded', async () => {
  const plan = await upscaler.plan({ width: 24, height: 16, fromImage: true });
  expect(plan).toMatchObject({ width: 96, height: 64, fromImage: false });
  expect(plan.components.map(({ component }) => component)).toEqual(['text encoder', 'unet', 'vae decoder']);
  // Without a picture to start from the size is that of what is painted.
  expect(await upscaler.plan({ width: 96, height: 64 })).toEqual(plan);
});

test('the level of the noise changes the picture, and each of several is the one that its seed gives alone', async () => {
  const plain = await upscaler(request);
  expect(worst((await upscaler({ ...request, noiseLevel: 5 })).latents, plain.latents)).toBeGreaterThan(1e-4);
  const both = await upscaler({ ...request, seed: [4, 11], numImagesPerPrompt: 2 });
  const alone = await upscaler({ ...request, seed: 11 });
  expect(worst(device.ops.slice(both.latents, 1, 2), alone.latents)).toBeLessThan(1e-4);
});

test('what makes no sense is refused: no picture, other levels, other models', async () => {
  expect(upscaler.defaults).toEqual({ numInferenceSteps: 75, guidanceScale: 9 });
  await expect(upscaler({ prompt: 'a cat' })).rejects.toThrow(
    'image: this pipeline changes a picture. Give one.',
  );
  for (const noiseLevel of [31, -1, 0.5])
    await expect(upscaler({ ...request, noiseLevel })).rejects.toThrow(
      `noiseLevel is ${noiseLevel}. Give an integer from 0 to 30.`,
    );
  if (!('unet' in upscaler)) throw new Error('The model has a U-Net.');
  await expect(upscale({ ...upscaler, lowResolution: undefined }, request)).rejects.toThrow(
    'unet: it enlarges no pictures. Use an upscaler, which has a "low_res_scheduler" in its model_index.json.',
  );
});
