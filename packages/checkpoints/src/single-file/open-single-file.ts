// A whole model in one file, as CompVis, Stability AI and most who train one publish it, as a folder in diffusers layout.
import { InvalidArgumentError } from '@emulsion/tensor';
import { UnsupportedFileError } from '../errors.ts';
import { type Folder, readJson } from '../folder.ts';
import { memoryFolder } from '../memory-folder.ts';
import { readPytorch, stateDictOf } from '../pytorch.ts';
import { resolvePath } from '../resolve-path.ts';
import { readSafetensorsHeader } from '../safetensors.ts';
import type { Weights } from '../weight.ts';
import { convertClip } from './clip.ts';
import { type ConvertedComponent, dimOf, withoutPrefix } from './converted-component.ts';
import { convertUnet } from './ldm-unet.ts';
import { convertVae } from './ldm-vae.ts';
import { convertOpenClip } from './open-clip.ts';
import { type PredictionType, schedulerConfig } from './scheduler-config.ts';

export interface OpenSingleFileOptions {
  /**
   * A model in diffusers layout, or a part of one, whose tokenizers, scheduler and what shapes do not tell of the
   * networks are taken: the number of heads, for instance.
   */
  readonly config?: Folder | undefined;
  /** The folder of CLIP's tokenizer (`vocab.json`, `merges.txt`), which a single file has not; `config` may have it. */
  readonly tokenizer?: Folder | undefined;
  /** What the U-Net predicts, where the file does not tell. */
  readonly predictionType?: PredictionType | undefined;
}

/** The endings of files that hold whole models. */
const endings = /\.(safetensors|ckpt|pt|pth|bin)$/i;

/** Whether a path is that of a file that may hold a whole model, by its ending. */
export const isSingleFile = (path: string): boolean => endings.test(path);

/** A family of models that come in single files. */
type Family = 'sd1' | 'sd2' | 'sdxl' | 'sdxl-refiner';

/** Where the text encoders of each family are. */
const textPrefixes = {
  sd1: 'cond_stage_model.transformer.',
  sd2: 'cond_stage_model.model.',
  sdxl: 'conditioner.embedders.1.model.',
  'sdxl-refiner': 'conditioner.embedders.0.model.',
} as const satisfies Record<Family, string>;
const unetPrefix = 'model.diffusion_model.';
const vaePrefix = 'first_stage_model.';

/**
 * Opens a `.safetensors` or `.ckpt` with a whole Stable Diffusion 1, 2 or XL in the names of CompVis and Stability AI as
 * if it were a folder in diffusers layout. Configurations are told by the weights' shapes; weights stay in the file.
 * @throws {UnsupportedFileError} if it holds another kind of model, {InvalidArgumentError} if there is no tokenizer,
 * and the errors of `openSafetensors` and `openPytorch`
 */
export async function openSingleFile(
  folder: Folder,
  path: string,
  options: OpenSingleFileOptions = {},
): Promise<Folder> {
  const { config, tokenizer } = options;
  const file = await readModelFile(folder, path);
  const { weights } = file;
  const family = familyOf(weights);
  if (!family) throw notAModel(folder, path);
  const files: Record<string, string | Uint8Array> = {};
  const unet = withoutPrefix(weights, unetPrefix);
  const components = convertComponents(folder, family, weights, unet);
  for (const [name, { assumed, measured }] of Object.entries(components)) {
    const given = await readGiven(config, `${name}/config.json`);
    files[`${name}/config.json`] = JSON.stringify({ ...assumed, ...given, ...measured });
  }
  const scheduler = await readGiven(config, 'scheduler/scheduler_config.json');
  const prediction = options.predictionType ?? (await predictionOf(folder, path, file, family, unet));
  const zeroTerminalSnr = weights.has('ztsnr');
  const chosen = scheduler ?? schedulerConfig(family.startsWith('sdxl'), prediction, zeroTerminalSnr);
  files['scheduler/scheduler_config.json'] = JSON.stringify(chosen);
  const tokenizers = tokenizersOf[family];
  for (const [name, padToken] of tokenizers) {
    await addTokenizer(files, folder, path, { name, padToken, config, tokenizer });
  }
  files['model_index.json'] = JSON.stringify({
    _class_name: pipelineOf(family, unet),
    scheduler: ['diffusers', String(chosen._class_name)],
    ...Object.fromEntries(tokenizers.map(([name]) => [name, ['transformers', 'CLIPTokenizer']])),
    ...Object.fromEntries(
      Object.entries(components).map(([name, { measured }]) => [name, classOf(measured)]),
    ),
    ...(family === 'sdxl' && { force_zeros_for_empty_prompt: true }),
    ...(family === 'sdxl-refiner' && {
      requires_aesthetics_score: true,
      force_zeros_for_empty_prompt: false,
    }),
  });
  return singleFileFolder(folder, path, memoryFolder(files, `${folder.name}/${path}`), components);
}

/** The weights of a file, and what else it says. */
interface ModelFile {
  readonly weights: Weights;
  readonly metadata: ReadonlyMap<string, string>;
  /** Steps that it was trained for, where it says. */
  readonly globalStep: unknown;
}

async function readModelFile(folder: Folder, path: string): Promise<ModelFile> {
  if (path.toLowerCase().endsWith('.safetensors')) {
    return { ...(await readSafetensorsHeader(folder, path)), globalStep: undefined };
  }
  const root = await readPytorch(folder, path);
  const weights = stateDictOf(root);
  if (!weights) throw notAModel(folder, path);
  return {
    weights,
    metadata: new Map(),
    globalStep: root instanceof Map ? root.get('global_step') : undefined,
  };
}

const notAModel = (folder: Folder, path: string) =>
  new UnsupportedFileError(
    folder,
    path,
    'it is not a whole Stable Diffusion 1, 2 or XL: it has no "model.diffusion_model", "first_stage_model" and text encoder',
    'Give a model with all its parts, or the folder of one in diffusers layout.',
  );

function familyOf(weights: Weights): Family | undefined {
  const has = (prefix: string) => [...weights.keys()].some((name) => name.startsWith(prefix));
  if (!has(unetPrefix) || !has(vaePrefix)) return undefined;
  // The refiner's only encoder stands where the first of the base is.
  return (['sdxl', 'sdxl-refiner', 'sd2', 'sd1'] as const).find((family) => has(textPrefixes[family]));
}

function convertComponents(
  folder: Folder,
  family: Family,
  weights: Weights,
  unet: Weights,
): Record<string, ConvertedComponent> {
  const xl = family.startsWith('sdxl');
  const text = withoutPrefix(weights, textPrefixes[family]);
  // The upscaler's latents are of another autoencoder.
  const scalingFactor = xl ? 0.13025 : unet.has('label_emb.weight') ? 0.08333 : 0.18215;
  const openClip = () => convertOpenClip(folder, text, { lastLayer: xl });
  return {
    unet: convertUnet(unet, xl ? 'text_time' : 'class'),
    vae: convertVae(withoutPrefix(weights, vaePrefix), scalingFactor),
    ...(family === 'sdxl' && {
      text_encoder: convertClip(withoutPrefix(weights, 'conditioner.embedders.0.transformer.')),
    }),
    ...(xl
      ? { text_encoder_2: openClip() }
      : { text_encoder: family === 'sd1' ? convertClip(text) : openClip() }),
  };
}

/** The pipeline of diffusers, which the channels that the U-Net reads tell. */
function pipelineOf(family: Family, unet: Weights): string {
  const channels = dimOf(unet, 'input_blocks.0.0.weight', 1);
  if (family === 'sdxl-refiner') return 'StableDiffusionXLImg2ImgPipeline';
  const name = family === 'sdxl' ? 'StableDiffusionXL' : 'StableDiffusion';
  if (channels === 9) return `${name}InpaintPipeline`;
  if (channels === 8) return `${name}InstructPix2PixPipeline`;
  if (channels === 7) return `${name}UpscalePipeline`;
  if (channels === 5) return `${name}Depth2ImgPipeline`;
  return `${name}Pipeline`;
}

/** The library and class of a component. */
function classOf({ _class_name: className, architectures }: Readonly<Record<string, unknown>>): unknown[] {
  return className === undefined && Array.isArray(architectures)
    ? ['transformers', architectures[0]]
    : ['diffusers', className];
}

/** Steps that the Stable Diffusion 2 was trained for that predicts noise: `512-base-ema.ckpt`. */
const sd2BaseSteps = 875000;

/**
 * What the U-Net predicts. Files say it in their notes, by a tensor of that name, in a `.yaml` beside them, or, of
 * Stable Diffusion 2, by the steps of training; without a word that predicts velocities, unless it takes more channels.
 */
async function predictionOf(
  folder: Folder,
  path: string,
  { weights, metadata, globalStep }: ModelFile,
  family: Family,
  unet: Weights,
): Promise<PredictionType> {
  const note = metadata.get('modelspec.prediction_type');
  if (note !== undefined) return /^v/.test(note) ? 'v_prediction' : 'epsilon';
  if (weights.has('v_pred')) return 'v_prediction';
  const settings = path.replace(endings, '.yaml');
  if (settings !== path && (await folder.has(settings))) {
    const text = new TextDecoder().decode(await folder.read(settings));
    return /^\s*parameterization:\s*["']?v["']?\s*$/m.test(text) ? 'v_prediction' : 'epsilon';
  }
  if (family !== 'sd2') return 'epsilon';
  if (globalStep === sd2BaseSteps) return 'epsilon';
  const channels = dimOf(unet, 'input_blocks.0.0.weight', 1);
  return channels === 9 || channels === 5 ? 'epsilon' : 'v_prediction';
}

/** The tokenizers of each family, and the token that they fill a text up with. */
const tokenizersOf: { readonly [F in Family]: readonly (readonly [name: string, padToken: string])[] } = {
  sd1: [['tokenizer', '<|endoftext|>']],
  sd2: [['tokenizer', '!']],
  sdxl: [
    ['tokenizer', '<|endoftext|>'],
    ['tokenizer_2', '!'],
  ],
  'sdxl-refiner': [['tokenizer_2', '!']],
};

const vocabularyFiles = ['vocab.json', 'merges.txt'];
const tokenizerFiles = [
  ...vocabularyFiles,
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
];

interface TokenizerSource {
  readonly name: string;
  readonly padToken: string;
  readonly config: Folder | undefined;
  readonly tokenizer: Folder | undefined;
}

async function addTokenizer(
  files: Record<string, string | Uint8Array>,
  folder: Folder,
  path: string,
  { name, padToken, config, tokenizer }: TokenizerSource,
): Promise<void> {
  const own = config?.subfolder(name);
  const hasOwn = own && ((await own.has('vocab.json')) || (await own.has('tokenizer.json')));
  const source = hasOwn ? own : tokenizer;
  if (!source) {
    throw new InvalidArgumentError(
      `${folder.name}/${path}: a model in a single file has no tokenizer. Give the folder of CLIP's (tokenizer), or that of a model in diffusers layout (config).`,
    );
  }
  for (const file of hasOwn ? tokenizerFiles : vocabularyFiles) {
    if (!hasOwn || (await source.has(file))) files[`${name}/${file}`] = await source.read(file);
  }
  if (!hasOwn) {
    files[`${name}/tokenizer_config.json`] = JSON.stringify({
      tokenizer_class: 'CLIPTokenizer',
      model_max_length: 77,
      pad_token: padToken,
    });
  }
}

/** A JSON object of the folder of configurations, if there is one. */
async function readGiven(
  config: Folder | undefined,
  path: string,
): Promise<Record<string, unknown> | undefined> {
  if (!config || !(await config.has(path))) return undefined;
  const json = await readJson(config, path);
  // What is not an object is left for the component's own reader to refuse.
  return typeof json === 'object' && json !== null ? { ...json } : undefined;
}

/** Configurations from memory, weights from the file. */
function singleFileFolder(
  folder: Folder,
  path: string,
  files: Folder,
  components: Readonly<Record<string, ConvertedComponent>>,
): Folder {
  const file = resolvePath(folder.name, path);
  const view = (inner: Folder, component: ConvertedComponent | undefined): Folder => {
    // Weights keep the path that they have in the folder of the file.
    const home = (asked: string) => (resolvePath(inner.name, asked) === file ? folder : inner);
    return {
      name: inner.name,
      has: async (asked) => home(asked).has(asked),
      size: async (asked) => home(asked).size(asked),
      read: async (asked, range) => home(asked).read(asked, range),
      locate: async (asked) => home(asked).locate(asked),
      subfolder: (asked) => view(inner.subfolder(asked), components[resolvePath(inner.name, asked)]),
      ...(component && { weights: () => component.weights() }),
    };
  };
  return view(files, undefined);
}
