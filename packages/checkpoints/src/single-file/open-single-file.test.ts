/// <reference types="node" />
import { readFile } from 'node:fs/promises';
import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { openDiffusersFolder } from '../diffusers-folder.ts';
import { UnsupportedFileError } from '../errors.ts';
import { type Folder, readJson } from '../folder.ts';
import { memoryFolder } from '../memory-folder.ts';
import { openWeights } from '../open-weights.ts';
import { readTensor } from '../read-tensor.ts';
import { writeSafetensors } from '../write-safetensors.ts';
import { isSingleFile, type OpenSingleFileOptions, openSingleFile } from './open-single-file.ts';

const tokenizer = memoryFolder({ 'vocab.json': '{}', 'merges.txt': '' });

/** What tells a family: names with the shapes of the published model, as far as configurations are read from them. */
type Shapes = Readonly<Record<string, readonly number[]>>;

const vae: Shapes = {
  'first_stage_model.encoder.conv_in.weight': [1, 3],
  'first_stage_model.decoder.conv_in.weight': [1, 4],
  'first_stage_model.decoder.conv_out.weight': [3, 1],
  'first_stage_model.quant_conv.weight': [1, 1],
  'first_stage_model.decoder.mid.attn_1.q.weight': [1, 1],
  'first_stage_model.loss.logvar': [1],
  ...Object.fromEntries(
    [128, 256, 512, 512].flatMap((width, level) =>
      [0, 1].map((block) => [
        `first_stage_model.encoder.down.${level}.block.${block}.conv1.weight`,
        [width, 1],
      ]),
    ),
  ),
};

/** A U-Net's resolutions: width, and how many layers each transformer has; the middle has those of the last attention. */
function unet(
  levels: readonly (readonly [width: number, transformers: number])[],
  { layers = 2, text = 768, channels = 4, middle = 1, linear = false } = {},
): Shapes {
  const prefix = 'model.diffusion_model.';
  const shapes: Record<string, readonly number[]> = {};
  const add = (name: string, dims: readonly number[]) => {
    shapes[prefix + name] = dims;
  };
  const attention = (module: string, width: number, count: number) => {
    add(`${module}.proj_in.weight`, linear ? [width, 1] : [width, 1, 1, 1]);
    for (let i = 0; i < count; i++) {
      add(`${module}.transformer_blocks.${i}.norm1.weight`, [width]);
      add(`${module}.transformer_blocks.${i}.attn2.to_k.weight`, [1, text]);
    }
  };
  const resnet = (module: string, width: number) => {
    add(`${module}.in_layers.0.weight`, [1]);
    add(`${module}.out_layers.3.weight`, [width, 1]);
  };
  add('input_blocks.0.0.weight', [1, channels]);
  add('out.2.weight', [4, 1]);
  let block = 1;
  for (const [i, [width, transformers]] of levels.entries()) {
    for (let layer = 0; layer < layers; layer++, block++) {
      resnet(`input_blocks.${block}.0`, width);
      if (transformers > 0) attention(`input_blocks.${block}.1`, width, transformers);
    }
    if (i < levels.length - 1) add(`input_blocks.${block++}.0.op.weight`, [width, 1]);
  }
  attention('middle_block.1', levels.at(-1)![0], middle);
  block = 0;
  for (const [i, [width, transformers]] of levels.toReversed().entries()) {
    for (let layer = 0; layer <= layers; layer++, block++) {
      resnet(`output_blocks.${block}.0`, width);
      if (transformers > 0) attention(`output_blocks.${block}.1`, width, transformers);
      if (layer === layers && i < levels.length - 1)
        add(`output_blocks.${block}.${transformers > 0 ? 2 : 1}.conv.weight`, [width, 1]);
    }
  }
  return shapes;
}

const sd1 = unet([
  [320, 1],
  [640, 1],
  [1280, 1],
  [1280, 0],
]);
const sd2 = unet(
  [
    [320, 1],
    [640, 1],
    [1280, 1],
    [1280, 0],
  ],
  { text: 1024, linear: true },
);
const clip: Shapes = {
  'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight': [2, 768],
  'cond_stage_model.transformer.text_model.embeddings.position_embedding.weight': [77, 768],
};
const openClip = (prefix: string): Shapes => ({
  [`${prefix}token_embedding.weight`]: [2, 1024],
  [`${prefix}positional_embedding`]: [77, 1024],
  [`${prefix}text_projection`]: [3, 2],
  [`${prefix}transformer.resblocks.0.ln_1.weight`]: [1],
  [`${prefix}transformer.resblocks.0.attn.in_proj_bias`]: [6],
  [`${prefix}transformer.resblocks.1.ln_1.weight`]: [1],
});
const xl: Shapes = {
  ...unet(
    [
      [320, 0],
      [640, 2],
      [1280, 10],
    ],
    { text: 2048, linear: true, middle: 10 },
  ),
  'model.diffusion_model.label_emb.0.0.weight': [1, 2816],
};

/** A file of these weights, whose elements count up from 0. */
function file(...parts: readonly Shapes[]): Uint8Array {
  const shapes: Shapes = Object.assign({}, ...parts);
  return writeSafetensors(
    Object.fromEntries(
      Object.entries(shapes).map(([name, dims]) => {
        const length = dims.reduce((size, dim) => size * dim, 1);
        return [
          name,
          tensor(
            Uint8Array.from({ length }, (_, i) => i),
            dims,
          ),
        ];
      }),
    ),
  );
}

const open = (bytes: Uint8Array | string, options: OpenSingleFileOptions = { tokenizer }, others = {}) =>
  openSingleFile(memoryFolder({ 'm.safetensors': bytes, ...others }, 'downloads'), 'm.safetensors', options);
const config = (folder: Folder, name: string) => readJson(folder.subfolder(name), 'config.json');
const predictionType = async (folder: Promise<Folder>) =>
  (await readJson((await folder).subfolder('scheduler'), 'scheduler_config.json')) as {
    prediction_type: string;
  };

test('Stable Diffusion 1 has the configuration of its folder on the hub', async () => {
  const folder = await open(file(sd1, vae, clip));
  expect(await config(folder, 'unet')).toMatchObject({
    in_channels: 4,
    out_channels: 4,
    block_out_channels: [320, 640, 1280, 1280],
    layers_per_block: 2,
    attention_head_dim: 8,
    cross_attention_dim: 768,
    use_linear_projection: false,
    transformer_layers_per_block: [1, 1, 1, 1],
    down_block_types: [...Array(3).fill('CrossAttnDownBlock2D'), 'DownBlock2D'],
    up_block_types: ['UpBlock2D', ...Array(3).fill('CrossAttnUpBlock2D')],
  });
  expect(await config(folder, 'vae')).toMatchObject({
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
    latent_channels: 4,
    scaling_factor: 0.18215,
  });
  expect(await config(folder, 'text_encoder')).toMatchObject({
    hidden_size: 768,
    num_attention_heads: 12,
    hidden_act: 'quick_gelu',
  });
  expect(await openDiffusersFolder(folder)).toMatchObject({
    className: 'StableDiffusionPipeline',
    components: {
      scheduler: { className: 'PNDMScheduler' },
      text_encoder: { library: 'transformers', className: 'CLIPTextModel' },
      unet: { library: 'diffusers', className: 'UNet2DConditionModel' },
    },
  });
});

test('Stable Diffusion XL has two text encoders, and blocks of several layers', async () => {
  const first = Object.fromEntries(
    Object.entries(clip).map(([name, dims]) => [
      name.replace('cond_stage_model', 'conditioner.embedders.0'),
      dims,
    ]),
  );
  const folder = await open(file(xl, vae, first, openClip('conditioner.embedders.1.model.')));
  expect(await config(folder, 'unet')).toMatchObject({
    attention_head_dim: [5, 10, 20],
    transformer_layers_per_block: [1, 2, 10],
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    addition_embed_type: 'text_time',
    addition_time_embed_dim: 256,
    projection_class_embeddings_input_dim: 2816,
  });
  expect(await config(folder, 'text_encoder_2')).toMatchObject({
    architectures: ['CLIPTextModelWithProjection'],
    num_attention_heads: 16,
    projection_dim: 2,
  });
  expect((await openDiffusersFolder(folder)).className).toBe('StableDiffusionXLPipeline');
});

test('fused projections are split in place, and the pooling matrix is transposed', async () => {
  const prefix = 'conditioner.embedders.0.model.';
  const folder = await open(file(xl, vae, openClip(prefix)));
  const encoder = folder.subfolder('text_encoder_2');
  const weights = await openWeights(encoder);
  const values = async (name: string) => [...(await readTensor(encoder, weights.get(name)!)).data];
  const attention = 'text_model.encoder.layers.0.self_attn';
  expect(await values(`${attention}.q_proj.bias`)).toEqual([0, 1]);
  expect(await values(`${attention}.v_proj.bias`)).toEqual([4, 5]);
  expect(weights.get(`${attention}.k_proj.bias`)!.range.file).toMatchObject({
    name: 'downloads/m.safetensors',
  });
  expect(weights.get('text_projection.weight')!.dims).toEqual([2, 3]);
  expect(await values('text_projection.weight')).toEqual([0, 2, 4, 1, 3, 5]);
  const { className, options } = await openDiffusersFolder(folder);
  expect(className).toBe('StableDiffusionXLImg2ImgPipeline');
  expect(options).toEqual({ requires_aesthetics_score: true, force_zeros_for_empty_prompt: false });
});

test('Stable Diffusion 2 leaves the last layer of its text encoder out', async () => {
  const folder = await open(file(sd2, vae, openClip('cond_stage_model.model.')));
  expect(await config(folder, 'text_encoder')).toMatchObject({ num_hidden_layers: 1, hidden_act: 'gelu' });
  const weights = await openWeights(folder.subfolder('text_encoder'));
  expect([...weights.keys()].filter((name) => name.includes('layers.1.'))).toEqual([]);
  expect(weights.has('text_projection.weight')).toBe(false);
});

test('what the network predicts is told by the notes, a tensor, a settings file, the family or the caller', async () => {
  const text = openClip('cond_stage_model.model.');
  const two = file(sd2, vae, text);
  const of = async (...args: Parameters<typeof open>) =>
    (await predictionType(open(...args))).prediction_type;
  expect(await of(file(sd1, vae, clip))).toBe('epsilon');
  expect(await of(two)).toBe('v_prediction');
  expect(await of(two, { tokenizer, predictionType: 'epsilon' })).toBe('epsilon');
  expect(await of(two, undefined, { 'm.yaml': 'model:\n  params:\n    linear_start: 0.1\n' })).toBe(
    'epsilon',
  );
  const settings = 'model:\n  params:\n    parameterization: "v"\n';
  expect(await of(file(sd1, vae, clip), undefined, { 'm.yaml': settings })).toBe('v_prediction');
  const marked = open(file(xl, vae, openClip('conditioner.embedders.0.model.'), { v_pred: [0], ztsnr: [0] }));
  expect(await predictionType(marked)).toMatchObject({
    prediction_type: 'v_prediction',
    rescale_betas_zero_snr: true,
    timestep_spacing: 'trailing',
  });
});

test('a checkpoint of training is read, whatever lies beside its weights; its steps tell Stable Diffusion 2 base', async () => {
  const ckpt = await readFile(new URL('../../../../fixtures/pytorch/sd2-base.ckpt', import.meta.url));
  const model = await openSingleFile(memoryFolder({ 'sd2.ckpt': ckpt }), 'sd2.ckpt', { tokenizer });
  expect((await openWeights(model.subfolder('unet'))).get('conv_in.weight')).toMatchObject({
    dims: [8, 4, 3, 3],
    path: 'sd2.ckpt',
  });
  expect(await config(model, 'text_encoder')).toMatchObject({ hidden_size: 8, hidden_act: 'gelu' });
  // That of 768 pixels was trained for other steps, and predicts velocities.
  expect((await predictionType(Promise.resolve(model))).prediction_type).toBe('epsilon');
});

test('the family and what it predicts tell the size of the latents that it was trained on', async () => {
  const text = openClip('cond_stage_model.model.');
  const channels = (count: number): Shapes => ({
    'model.diffusion_model.input_blocks.0.0.weight': [1, count],
  });
  const sizeOf = async (bytes: Uint8Array, options: OpenSingleFileOptions = {}) =>
    ((await config(await open(bytes, { tokenizer, ...options }), 'unet')) as { sample_size: number })
      .sample_size;
  expect(await sizeOf(file(sd1, vae, clip))).toBe(64);
  expect(await sizeOf(file(sd1, vae, clip), { predictionType: 'v_prediction' })).toBe(64);
  expect(await sizeOf(file(sd2, vae, text))).toBe(96);
  expect(await sizeOf(file(sd2, vae, text), { predictionType: 'epsilon' })).toBe(64);
  expect(await sizeOf(file(sd2, vae, text, channels(9)))).toBe(64);
  expect(await sizeOf(file(sd2, vae, text, channels(7)))).toBe(128);
  for (const prefix of ['conditioner.embedders.0.model.', 'conditioner.embedders.1.model.'])
    expect(await sizeOf(file(xl, vae, openClip(prefix)))).toBe(128);
  const given = memoryFolder({ 'unet/config.json': '{"sample_size": 32}' });
  expect(await sizeOf(file(sd1, vae, clip), { config: given })).toBe(32);
});

test('Playground v2.5, which looks like Stable Diffusion XL, is refused', async () => {
  const parts = [xl, vae, openClip('conditioner.embedders.1.model.')];
  const latents = { edm_mean: [1, 4, 1, 1], edm_std: [1, 4, 1, 1] };
  const opening = open(file(...parts, latents));
  await expect(opening).rejects.toBeInstanceOf(UnsupportedFileError);
  await expect(opening).rejects.toThrow(
    'downloads/m.safetensors: it is Playground v2.5, whose noise levels (EDM) and latents ("edm_mean", "edm_std") are not those of Stable Diffusion XL, so that its pictures would come out in wrong colours. Give a Stable Diffusion XL, or another model that is made from it.',
  );
});

test('the channels that the U-Net reads tell the task', async () => {
  for (const [channels, className] of [
    [9, 'StableDiffusionInpaintPipeline'],
    [8, 'StableDiffusionInstructPix2PixPipeline'],
    [5, 'StableDiffusionDepth2ImgPipeline'],
  ] as const) {
    const first = { 'model.diffusion_model.input_blocks.0.0.weight': [1, channels] };
    expect((await openDiffusersFolder(await open(file(sd1, vae, clip, first)))).className).toBe(className);
  }
});

test('an upscaler has schedules of its own, for its latents and for the picture that it enlarges', async () => {
  const first = { 'model.diffusion_model.input_blocks.0.0.weight': [1, 7] };
  const labels = { 'model.diffusion_model.label_emb.weight': [1000, 1] };
  const folder = await open(file(sd2, vae, openClip('cond_stage_model.model.'), first, labels));
  expect(await openDiffusersFolder(folder)).toMatchObject({
    className: 'StableDiffusionUpscalePipeline',
    components: { low_res_scheduler: { className: 'DDPMScheduler' } },
    options: { max_noise_level: 350 },
  });
  const betas = { beta_start: 0.0001, beta_end: 0.02, beta_schedule: 'scaled_linear' };
  for (const [name, more] of [
    ['scheduler', { prediction_type: 'v_prediction' }],
    ['low_res_scheduler', {}],
  ] as const)
    expect(await readJson(folder.subfolder(name), 'scheduler_config.json')).toMatchObject({
      ...betas,
      ...more,
    });
  expect(await config(folder, 'vae')).toMatchObject({ scaling_factor: 0.08333 });
  expect(await config(folder, 'unet')).toMatchObject({ num_class_embeds: 1000, attention_head_dim: 8 });
});

test('a configuration that is given tells what shapes do not, and nothing else', async () => {
  const given = memoryFolder({
    'unet/config.json': '{"attention_head_dim": 4, "norm_num_groups": 16, "in_channels": 99}',
    'scheduler/scheduler_config.json': '{"_class_name": "DDPMScheduler"}',
    'tokenizer/tokenizer.json': '{}',
  });
  const folder = await open(file(sd1, vae, clip), { config: given });
  expect(await config(folder, 'unet')).toMatchObject({
    attention_head_dim: 4,
    norm_num_groups: 16,
    in_channels: 4,
  });
  expect((await openDiffusersFolder(folder)).components.scheduler?.className).toBe('DDPMScheduler');
  expect(await folder.subfolder('tokenizer').has('tokenizer.json')).toBe(true);
});

test('a file that is no whole model, or has no tokenizer, says what is needed', async () => {
  await expect(open(file(sd1, clip))).rejects.toThrow(
    'downloads/m.safetensors: it is not a whole Stable Diffusion 1, 2 or XL: it has no "model.diffusion_model", "first_stage_model" and text encoder; nor is it a Stable Diffusion 3 or Flux. Give a model with all its parts, or the folder of one in diffusers layout.',
  );
  await expect(open(file(sd1, vae, clip), {})).rejects.toThrow(
    "downloads/m.safetensors: a model in a single file has no tokenizer. Give the folder of CLIP's (tokenizer), or that of a model in diffusers layout (config).",
  );
});

test('a tokenizer that is to be fetched is asked for when the file turned out to be a model', async () => {
  const nowhere = () => Promise.reject(new Error('no network'));
  await expect(open(file(sd1, clip), { tokenizer: nowhere })).rejects.toThrow('it is not a whole Stable');
  await expect(open(file(sd1, vae, clip), { tokenizer: nowhere })).rejects.toThrow('no network');
});

test('endings tell files that may hold models', () => {
  expect(['a/b.safetensors', 'm.CKPT', 'm.pt', 'owner/name', 'm.png'].map(isSingleFile)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});
