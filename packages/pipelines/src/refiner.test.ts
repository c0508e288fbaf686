import { type Folder, memoryFolder, readJson, writeSafetensors } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createScheduler } from '@emulsion/schedulers';
import { createRng, type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import { loadSdxlPromptEncoder } from '@emulsion/text-encoder';
import { loadUnet } from '@emulsion/unet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let base: Pipeline;
let refiner: Pipeline;
let folder: Folder;
beforeAll(async () => {
  device = await createTestDevice();
  const sdxl = await openFixture('golden/open/models/sdxl');
  folder = await refinerOf(sdxl);
  base = await loadPipeline(sdxl, { device });
  refiner = await loadPipeline(folder, { device });
});
afterAll(() => device.dispose());

/** A refiner out of a base model: the second text encoder alone, and five numbers about the picture instead of six. */
async function refinerOf(sdxl: Folder): Promise<Folder> {
  const files: Record<string, string | Uint8Array> = {};
  for (const path of [
    ...['config.json', 'model.safetensors'].map((name) => `text_encoder_2/${name}`),
    ...['vocab.json', 'merges.txt', 'tokenizer_config.json'].map((name) => `tokenizer_2/${name}`),
    ...['config.json', 'diffusion_pytorch_model.safetensors'].map((name) => `vae/${name}`),
    'scheduler/scheduler_config.json',
  ])
    files[path] = await sdxl.read(path);
  const unet = sdxl.subfolder('unet');
  const weights: Record<string, Tensor> = {};
  for (const [name, value] of Object.entries(await readWeights(unet))) {
    const isText = /attn2\.to_[kv]\.weight$/.test(name);
    // The text has 40 channels instead of 72; beside 32 of it there are 5 numbers with 8 features each.
    if (isText) weights[name] = columns(value, 32, 72);
    else weights[name] = name === 'add_embedding.linear_1.weight' ? columns(value, 0, 72) : value;
  }
  files['unet/diffusion_pytorch_model.safetensors'] = writeSafetensors(weights);
  const config = (await readJson(unet, 'config.json')) as object;
  const changes = { cross_attention_dim: 40, projection_class_embeddings_input_dim: 72 };
  files['unet/config.json'] = JSON.stringify({ ...config, ...changes });
  files['model_index.json'] = JSON.stringify({
    _class_name: 'StableDiffusionXLImg2ImgPipeline',
    requires_aesthetics_score: true,
    force_zeros_for_empty_prompt: false,
    scheduler: ['diffusers', 'EulerDiscreteScheduler'],
    text_encoder: [null, null],
    text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
    tokenizer: [null, null],
    tokenizer_2: ['transformers', 'CLIPTokenizer'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  });
  return memoryFolder(files, 'refiner');
}

function columns({ data, dims }: Tensor, from: number, to: number): Tensor {
  const [rows = 0, width = 0] = dims;
  const kept = Array.from({ length: rows }, (_, row) => [
    ...data.slice(row * width + from, row * width + to),
  ]);
  return tensor(kept.flat(), [rows, to - from]);
}

const worst = (a: Tensor, b: Tensor) => {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);
};

const request = { prompt: 'a cat', negativePrompt: 'a dog', numInferenceSteps: 10, seed: 3 };

test('the base model leaves its noise to the refiner, which goes on from there as composed by hand', async () => {
  const timesteps: number[] = [];
  const onStep = ({ timestep }: { timestep: number }) => void timesteps.push(timestep);
  const half = await base({ ...request, denoisingEnd: 0.8, outputType: 'latent', onStep });
  expect(timesteps).toEqual([901, 801, 701, 601, 501, 401, 301, 201]);
  expect(half.images).toEqual([]);
  expect(half.pixels.dims).toEqual([0, 3, 64, 64]);
  timesteps.length = 0;
  const scores = { aestheticScore: 7, negativeAestheticScore: 1.5 };
  const whole = await refiner({ ...request, ...scores, image: half.latents, denoisingStart: 0.8, onStep });
  expect(timesteps).toEqual([101, 1]);

  const promptEncoder = await loadSdxlPromptEncoder(folder, { device });
  const unet = await loadUnet(folder.subfolder('unet'), { device });
  const { ops } = device;
  const scheduler = createScheduler(refiner.schedulerConfig);
  const plan = scheduler.plan({ numInferenceSteps: 10 });
  const sampler = scheduler.sample({ plan, sample: half.latents, ops, beginIndex: 8 });
  const conditions = await Promise.all(
    [['a cat', 7] as const, ['a dog', 1.5] as const].map(async ([prompt, score]) => {
      const { promptEmbeds, pooledPromptEmbeds } = await promptEncoder.encode([prompt]);
      const timeIds = tensor([64, 64, 0, 0, score], [1, 5]);
      return {
        encoderHiddenStates: promptEmbeds,
        addedConditions: { textEmbeds: pooledPromptEmbeds, timeIds },
      };
    }),
  );
  let turn = sampler.next();
  while (!turn.done) {
    const { sample, timestep } = turn.value;
    const [positive, negative] = await Promise.all(
      conditions.map((condition) => unet.predict({ sample, timestep, ...condition })),
    );
    turn = sampler.next(ops.combine([5, positive!], [-4, negative!]));
  }
  expect(worst(whole.latents, turn.value)).toBeLessThan(1e-3);
  expect(whole.images.map(({ width, height }) => [width, height])).toEqual([[64, 64]]);
  for (const part of [promptEncoder, unet]) await part.dispose();
});

test('a model that goes on from its own latents ends where it would have ended', async () => {
  const whole = await base(request);
  const half = await base({ ...request, denoisingEnd: 0.45, outputType: 'latent' });
  const rest = await base({ ...request, image: half.latents, denoisingStart: 0.45 });
  expect(worst(rest.latents, whole.latents)).toBeLessThan(1e-4);
  expect(worst(half.latents, whole.latents)).toBeGreaterThan(0.1);
});

test('the refiner paints over a picture with three tenths of the steps, and the scores change it', async () => {
  const image = device.ops.affine(
    createRng({ kind: 'torch-cpu', seed: 1 }).uniform([1, 3, 64, 64]),
    0.8,
    0.1,
  );
  let steps = 0;
  const over = { ...request, image, onStep: () => void steps++ };
  const plain = await refiner(over);
  expect(steps).toBe(3);
  expect(await refiner({ ...over, aestheticScore: 6, negativeAestheticScore: 2.5 })).toEqual(plain);
  expect(worst((await refiner({ ...over, aestheticScore: 1 })).latents, plain.latents)).toBeGreaterThan(1e-5);
  expect(await refiner({ ...over, targetSize: [512, 512] })).toEqual(plain);
});

test('a base model is told of sizes instead, those of the negative prompt apart', async () => {
  const plain = await base(request);
  expect(await base({ ...request, aestheticScore: 1 })).toEqual(plain);
  const same = {
    negativeOriginalSize: [64, 64],
    negativeCropsCoordsTopLeft: [0, 0],
    negativeTargetSize: [64, 64],
  } as const;
  expect(await base({ ...request, ...same })).toEqual(plain);
  for (const change of [
    { negativeOriginalSize: [512, 512] },
    { negativeCropsCoordsTopLeft: [8, 0] },
    { negativeTargetSize: [512, 512] },
  ] as const)
    expect(worst((await base({ ...request, ...change })).latents, plain.latents)).toBeGreaterThan(1e-5);
});

test('the second encoder may read a text of its own, one for all prompts too', async () => {
  const prompts = { ...request, prompt: ['a cat', 'a mat'], scheduler: 'ddim' };
  const [one, each] = [
    await base({ ...prompts, prompt2: 'a fox' }),
    await base({ ...prompts, prompt2: ['a fox', 'a fox'] }),
  ];
  expect(one).toEqual(each);
  expect(worst(one.latents, (await base(prompts)).latents)).toBeGreaterThan(1e-5);
  await expect(base({ ...prompts, prompt2: ['a', 'b', 'c'] })).rejects.toThrow(
    'prompt2: 3 came for 2 prompts. Give one for all or one for each.',
  );
});

test('what is gone on from are latents, and not a picture', async () => {
  const image = createRng({ kind: 'torch-cpu', seed: 1 }).uniform([1, 3, 64, 64]);
  await expect(refiner({ ...request, image, denoisingStart: 0.8 })).rejects.toThrow(
    'denoisingStart: image is [1, 3, 64, 64], and [batch, 4, height, width] is wanted. Give the latents that were painted with denoisingEnd.',
  );
});
