import type { Folder } from '@emulsion/checkpoints';
import { loadControlNet } from '@emulsion/controlnet';
import { ConfigError } from '@emulsion/nn';
import { UnsupportedModelError } from '@emulsion/pipelines';
import type { Device } from '@emulsion/runtime';
import { cpuOps, type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFolderAt } from '@emulsion/testing';
import {
  loadSd3PromptEncoder,
  loadSdxlPromptEncoder,
  loadT5Encoder,
  loadTextEncoder,
} from '@emulsion/text-encoder';
import { loadFluxTransformer, loadSd3Transformer } from '@emulsion/transformer';
import { loadUnet, loadUnet2d, type UnetInputs } from '@emulsion/unet';
import { loadVae } from '@emulsion/vae';
import { afterAll, beforeAll } from 'vitest';
import { assertClose } from './assert-close.ts';
import { flowCheck, flowClasses } from './flow-check.ts';
import type { GoldenArea, GoldenCase } from './golden-area.ts';
import { unstack } from './golden-array.ts';
import { type PipelineCase, pipelineCheck } from './pipeline-check.ts';
import { type Check, testArea } from './test-area.ts';
import { unconditionalCheck, unconditionalClasses } from './unconditional-check.ts';

interface ModelCase extends PipelineCase {
  readonly kind: string;
  readonly family: string;
  readonly model: string;
  /** Of a ControlNet. */
  readonly timestep?: number;
  readonly conditioning_scale?: number;
  /** Of an encoding of prompts. */
  readonly prompt?: string;
  readonly prompt_2?: string;
  readonly negative_prompt?: string;
  readonly max_sequence_length?: number;
  /** Of a U-Net: what it is asked at, and the names of its inputs beside sample and timestep. */
  readonly timesteps?: readonly (number | readonly number[])[];
  readonly unet_call?: readonly string[];
}

type Golden = GoldenCase<ModelCase>;
type Models = GoldenArea<ModelCase>;

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

/** The checks of the kinds that are supported. */
const kinds: Readonly<Record<string, (golden: Golden, models: Models) => Promise<Check | string>>> = {
  text_encoder: checkTextEncoder,
  t5_encoder: checkT5Encoder,
  controlnet: checkControlNet,
  encode_prompt: checkEncodePrompt,
  unet: checkUnet,
  vae: checkVae,
  autoencoder_tiny: checkTinyVae,
  sd3_transformer: checkSd3Transformer,
  flux_transformer: checkFluxTransformer,
  pipeline: checkPipeline,
};

await testArea<ModelCase>('models', {
  traits: ({ kind, family, pipeline, scheduler }) => [
    {
      kind,
      family,
      ...(pipeline && { pipeline }),
      ...(scheduler && { scheduler: String(scheduler._class_name) }),
    },
  ],
  check: (golden, models) =>
    kinds[golden.json.kind]?.(golden, models) ?? `cases of kind ${golden.json.kind} are not checked yet`,
});

/** What the index says of the families: the folder of each model relative to the area's, and borrowed components. */
type Families = Readonly<
  Record<string, { readonly dirs: Readonly<Record<string, string>>; readonly components?: unknown }>
>;

const familyOf = ({ json }: Golden, { index }: Models) => (index.families as Families)[json.family]!;

/** The folder of a case's model. */
async function modelOf(golden: Golden, models: Models): Promise<Folder> {
  return openFolderAt(models.address(`${familyOf(golden, models).dirs[golden.json.model]!}/`));
}

const loaded = new Map<string, Promise<unknown>>();

/** What `load` makes of a folder, loaded once for all cases; the reason if its kind of model is not supported. */
async function loadOnce<Loaded extends object>(
  folder: Folder,
  load: (folder: Folder, options: { device: Device }) => Promise<Loaded>,
): Promise<Loaded | string> {
  const key = `${load.name} ${folder.name}`;
  // Under a loader's name there is what it loads.
  const loading = (loaded.get(key) as Promise<Loaded> | undefined) ?? load(folder, { device });
  loaded.set(key, loading);
  return loading.catch((error: unknown) => {
    if (ConfigError.is(error) || UnsupportedModelError.is(error)) return error.message;
    throw error;
  });
}

async function checkTextEncoder(golden: Golden, models: Models): Promise<Check | string> {
  // Families with several encoders number their cases.
  const component = golden.json.id.endsWith('2') ? 'text_encoder_2' : 'text_encoder';
  const encoder = await loadOnce((await modelOf(golden, models)).subfolder(component), loadTextEncoder);
  if (typeof encoder === 'string') return encoder;
  return async () => {
    const { tolerance } = golden.json;
    const ids = await golden.array('in.input_ids');
    const inputIds = tensor(Int32Array.from(ids.data, Number), ids.dims);
    const last = await encoder.encode({ inputIds });
    const penultimate = await encoder.encode({ inputIds, clipSkip: 1 });
    const outputs: readonly [name: string, actual: Tensor | undefined][] = [
      ['last_hidden_state', last.lastHiddenState],
      ['hidden_state_last_prenorm', last.hiddenState],
      ['penultimate', penultimate.hiddenState],
      ['pooled', last.pooled],
      ['text_embeds', last.textEmbeds],
    ];
    for (const [name, actual] of outputs) {
      if (!(await golden.has(name))) continue;
      if (!actual) throw new Error(`golden: the text encoder gives no "${name}".`);
      assertClose(name, actual, await golden.tensor(name), tolerance);
    }
  };
}

async function checkEncodePrompt(golden: Golden, models: Models): Promise<Check | string> {
  const { prompt, prompt_2, negative_prompt, family } = golden.json;
  if (family === 'sd3') return checkSd3EncodePrompt(golden, models);
  if (family !== 'sdxl') return `there is no encoder of prompts for ${family}`;
  const encoder = await loadOnce(await modelOf(golden, models), loadSdxlPromptEncoder);
  if (typeof encoder === 'string') return encoder;
  return async () => {
    const { tolerance } = golden.json;
    const encode = (first = '', second = first) => encoder.encode([first], { prompts2: [second] });
    const [positive, negative] = [await encode(prompt, prompt_2), await encode(negative_prompt)];
    const outputs: readonly [name: string, actual: Tensor][] = [
      ['prompt_embeds', positive.promptEmbeds],
      ['pooled', positive.pooledPromptEmbeds],
      ['negative_prompt_embeds', negative.promptEmbeds],
      ['negative_pooled', negative.pooledPromptEmbeds],
    ];
    for (const [name, actual] of outputs) assertClose(name, actual, await golden.tensor(name), tolerance);
  };
}

async function checkSd3EncodePrompt(golden: Golden, models: Models): Promise<Check> {
  const model = await modelOf(golden, models);
  return async () => {
    const { prompt = '', negative_prompt = '', max_sequence_length, tolerance } = golden.json;
    const encoder = await loadSd3PromptEncoder(model, { device, textFeatures: 64 });
    const encode = (text: string) => encoder.encode([text], { maxSequenceLength: max_sequence_length });
    const [positive, negative] = [await encode(prompt), await encode(negative_prompt)];
    const outputs: readonly [name: string, actual: Tensor][] = [
      ['prompt_embeds', positive.promptEmbeds],
      ['pooled', positive.pooledPromptEmbeds],
      ['negative_prompt_embeds', negative.promptEmbeds],
      ['negative_pooled', negative.pooledPromptEmbeds],
    ];
    for (const [name, actual] of outputs) assertClose(name, actual, await golden.tensor(name), tolerance);
    await encoder.dispose();
  };
}

/** Inputs of a U-Net beside sample and timestep, by their names in the cases: what is recorded of each. */
const unetInputs: Readonly<Record<string, (golden: Golden) => Promise<Partial<UnetInputs>>>> = {
  encoder_hidden_states: async (golden) => ({
    encoderHiddenStates: await golden.tensor('in.encoder_hidden_states'),
  }),
  timestep_cond: async (golden) => ({ timestepCond: await golden.tensor('in.timestep_cond') }),
  added_cond_kwargs: async (golden) => ({
    addedConditions: {
      textEmbeds: await golden.tensor('in.added.text_embeds'),
      timeIds: await golden.tensor('in.added.time_ids'),
    },
  }),
};

async function checkT5Encoder(golden: Golden, models: Models): Promise<Check | string> {
  const model = await modelOf(golden, models);
  // A family whose T5 is one of three encoders has it last.
  const third = await model.has('text_encoder_3/config.json');
  const encoder = await loadOnce(model.subfolder(third ? 'text_encoder_3' : 'text_encoder'), loadT5Encoder);
  if (typeof encoder === 'string') return encoder;
  return async () => {
    const { tolerance } = golden.json;
    const ids = await golden.array('in.input_ids');
    const inputIds = tensor(Int32Array.from(ids.data, Number), ids.dims);
    const attentionMask = await golden.tensor('in.attention_mask');
    for (const [name, actual] of [
      ['last_hidden_state', await encoder.encode({ inputIds, attentionMask })],
      ['last_hidden_state_nomask', await encoder.encode({ inputIds })],
    ] as const)
      assertClose(name, actual, await golden.tensor(name), tolerance);
  };
}

async function checkUnet(golden: Golden, models: Models): Promise<Check | string> {
  const { timesteps = [], unet_call = [], tolerance } = golden.json;
  const unknown = unet_call.find((name) => !unetInputs[name]);
  if (unknown !== undefined) return `the U-Net has no input "${unknown}"`;
  if (golden.json.family === 'unclip') return 'the U-Nets of UnCLIP are not loaded yet';
  if (!unet_call.includes('encoder_hidden_states')) return checkUnet2d(golden, models);
  const unet = await loadOnce((await modelOf(golden, models)).subfolder('unet'), loadUnet);
  if (typeof unet === 'string') return unet;
  return async () => {
    const sample = await golden.tensor('in.sample');
    const inputs = await Promise.all(unet_call.map((name) => unetInputs[name]!(golden)));
    // With the text among them, or the case would have been refused.
    const conditions = Object.assign({}, ...inputs) as Omit<UnetInputs, 'sample' | 'timestep'>;
    const out = await golden.tensor('out');
    for (const [i, timestep] of timesteps.entries()) {
      const actual = await unet.predict({ sample, timestep, ...conditions });
      assertClose(`out at timestep ${timestep}`, actual, unstack(out, i), tolerance);
    }
  };
}

async function checkSd3Transformer(golden: Golden, models: Models): Promise<Check | string> {
  const transformer = await loadOnce(
    (await modelOf(golden, models)).subfolder('transformer'),
    loadSd3Transformer,
  );
  if (typeof transformer === 'string') return transformer;
  return async () => {
    const { timesteps = [], tolerance } = golden.json;
    const inputs = {
      sample: await golden.tensor('in.hidden_states'),
      encoderHiddenStates: await golden.tensor('in.encoder_hidden_states'),
      pooledTextEmbeds: await golden.tensor('in.pooled_projections'),
    };
    const out = await golden.tensor('out');
    for (const [i, timestep] of timesteps.entries()) {
      const actual = await transformer.predict({ ...inputs, timestep });
      assertClose(`out at timestep ${timestep}`, actual, unstack(out, i), tolerance);
    }
  };
}

async function checkFluxTransformer(golden: Golden, models: Models): Promise<Check | string> {
  const transformer = await loadOnce(
    (await modelOf(golden, models)).subfolder('transformer'),
    loadFluxTransformer,
  );
  if (typeof transformer === 'string') return transformer;
  return async () => {
    const { timesteps = [], tolerance } = golden.json;
    const guidance = await golden.tensor('in.guidance');
    const inputs = {
      sample: await golden.tensor('in.hidden_states'),
      encoderHiddenStates: await golden.tensor('in.encoder_hidden_states'),
      pooledTextEmbeds: await golden.tensor('in.pooled_projections'),
      positions: await golden.tensor('in.img_ids'),
      textPositions: await golden.tensor('in.txt_ids'),
      guidance: Array.from(guidance.data),
    };
    const out = await golden.tensor('out');
    for (const [i, timestep] of timesteps.entries()) {
      const actual = await transformer.predict({ ...inputs, timestep });
      assertClose(`out at timestep ${timestep}`, actual, unstack(out, i), tolerance);
    }
  };
}

/** A recorded picture of bytes as autoencoders take it. */
async function imageOf(golden: Golden): Promise<Tensor> {
  const pixels = await golden.tensor('in.image');
  return tensor(
    pixels.data.map((value) => (2 * value) / 255 - 1),
    pixels.dims,
  );
}

async function checkTinyVae(golden: Golden, models: Models): Promise<Check | string> {
  const vae = await loadOnce(await modelOf(golden, models), loadVae);
  if (typeof vae === 'string') return vae;
  return async () => {
    const { tolerance } = golden.json;
    const { mean } = await vae.encode(await imageOf(golden));
    assertClose('latents', mean, await golden.tensor('latents'), tolerance);
    for (const [name, latents] of [
      ['decoded', await golden.tensor('in.z')],
      ['decoded_of_latents', await golden.tensor('latents')],
    ] as const)
      assertClose(name, await vae.decode(latents), await golden.tensor(name), tolerance);
  };
}

async function checkUnet2d(golden: Golden, models: Models): Promise<Check | string> {
  const unet = await loadOnce((await modelOf(golden, models)).subfolder('unet'), loadUnet2d);
  if (typeof unet === 'string') return unet;
  return async () => {
    const { timesteps = [], tolerance } = golden.json;
    const sample = await golden.tensor('in.sample');
    const out = await golden.tensor('out');
    for (const [i, timestep] of timesteps.entries()) {
      // diffusers' UNet2DModel makes integers of timesteps that come as plain numbers, as they did here.
      const actual = await unet.predict({ sample, timestep: Math.trunc(Number(timestep)) });
      assertClose(`out at timestep ${timestep}`, actual, unstack(out, i), tolerance);
    }
  };
}

async function checkControlNet(golden: Golden, models: Models): Promise<Check | string> {
  const controlNet = await loadOnce(await modelOf(golden, models), loadControlNet);
  if (typeof controlNet === 'string') return controlNet;
  const { unet: unetPath } = familyOf(golden, models).components as Readonly<Record<string, string>>;
  const unet = await loadOnce(await openFolderAt(models.address(`${unetPath}/`)), loadUnet);
  if (typeof unet === 'string') return unet;
  return async () => {
    const { tolerance, timestep = 0, conditioning_scale: conditioningScale } = golden.json;
    const inputs = {
      sample: await golden.tensor('in.sample'),
      timestep,
      encoderHiddenStates: await golden.tensor('in.encoder_hidden_states'),
    };
    const controlnetCond = cpuOps.affine(await golden.tensor('in.controlnet_cond'), 1 / 255, 0);
    for (const [prefix, guessMode] of [
      ['', false],
      ['guess.', true],
    ] as const) {
      const residuals = await controlNet.predict({ ...inputs, controlnetCond, conditioningScale, guessMode });
      const { downBlockResiduals: down, midBlockResidual } = residuals;
      for (const [i, actual] of down.entries())
        assertClose(`${prefix}down.${i}`, actual, await golden.tensor(`${prefix}down.${i}`), tolerance);
      assertClose(`${prefix}mid`, midBlockResidual, await golden.tensor(`${prefix}mid`), tolerance);
      if (!(await golden.has(`${prefix}unet_out`))) continue;
      const actual = await unet.predict({ ...inputs, residuals });
      assertClose(`${prefix}unet_out`, actual, await golden.tensor(`${prefix}unet_out`), tolerance);
    }
  };
}

async function checkVae(golden: Golden, models: Models): Promise<Check | string> {
  const vae = await loadOnce((await modelOf(golden, models)).subfolder('vae'), loadVae);
  if (typeof vae === 'string') return vae;
  return async () => {
    const { tolerance } = golden.json;
    const { mean, logvar } = await vae.encode(await imageOf(golden));
    assertClose('mean', mean, await golden.tensor('mean'), tolerance);
    assertClose('logvar', logvar, await golden.tensor('logvar'), tolerance);
    const decoded = await vae.decode(await golden.tensor('in.z'));
    assertClose('decoded', decoded, await golden.tensor('decoded'), tolerance);
  };
}

async function checkPipeline(golden: Golden, models: Models): Promise<Check | string> {
  if (flowClasses.includes(golden.json.pipeline ?? ''))
    return flowCheck(golden, await modelOf(golden, models), loadOnce);
  if (unconditionalClasses.includes(golden.json.pipeline ?? ''))
    return unconditionalCheck(golden, await modelOf(golden, models), loadOnce);
  const components = familyOf(golden, models).components ?? {};
  const paths = Object.entries(components).filter(([, path]) => typeof path === 'string');
  const open = (path: string) => openFolderAt(models.address(`${path}/`));
  if (paths.length === 0) return pipelineCheck(golden, await modelOf(golden, models), loadOnce, device);
  const folders: Record<string, Folder> = {};
  for (const [name, path] of paths) {
    // A prompt encoder is opened in the folder that holds tokenizer and text encoder.
    folders[name] = await open(name === 'text_encoder' ? path.replace(/\/text_encoder$/, '') : path);
  }
  return pipelineCheck(golden, folders, loadOnce, device);
}
