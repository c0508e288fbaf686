// A whole model in one file, as CompVis, Stability AI and most who train one publish it, as a folder in diffusers layout.
import { InvalidArgumentError } from '@emulsion/tensor';
import { UnsupportedFileError } from '../errors.ts';
import { type Folder, readJson } from '../folder.ts';
import { memoryFolder } from '../memory-folder.ts';
import { readPytorch, stateDictOf } from '../pytorch.ts';
import { resolvePath } from '../resolve-path.ts';
import { readSafetensorsHeader } from '../safetensors.ts';
import type { Weights } from '../weight.ts';
import type { ConvertedComponent } from './converted-component.ts';
import type { PredictionType } from './scheduler-config.ts';
import { readStableDiffusionFile, stepsTellPrediction } from './stable-diffusion-file.ts';
import { readTransformerFile } from './transformer-file.ts';

export interface OpenSingleFileOptions {
  /**
   * A model in diffusers layout, or a part of one, whose tokenizers, scheduler and what shapes do not tell of the
   * networks are taken: the number of heads, for instance. Of Stable Diffusion 3 and Flux, whose files often hold but
   * the transformer, the other networks too.
   */
  readonly config?: Folder | undefined;
  /**
   * The folder of CLIP's tokenizer (`vocab.json`, `merges.txt`), which a single file has not; `config` may have it. A
   * function is asked for it when the file has been read and turned out to be a model that wants it.
   */
  readonly tokenizer?: Folder | (() => Promise<Folder>) | undefined;
  /** What the U-Net predicts, where the file does not tell. */
  readonly predictionType?: PredictionType | undefined;
}

/** The endings of files that hold whole models. */
const endings = /\.(safetensors|ckpt|pt|pth|bin)$/i;

/** Whether a path is that of a file that may hold a whole model, by its ending. */
export const isSingleFile = (path: string): boolean => endings.test(path);

/**
 * Opens a `.safetensors` or `.ckpt` with a whole Stable Diffusion 1, 2 or XL in the names of CompVis and Stability AI, or
 * a Stable Diffusion 3 or Flux in those of their authors, as if it were a folder in diffusers layout. Configurations are
 * told by the weights' shapes; weights stay in the file.
 * @throws {UnsupportedFileError} if it holds another kind of model or lacks a part of one, {InvalidArgumentError} if
 * there is no tokenizer, and the errors of `openSafetensors` and `openPytorch`
 */
export async function openSingleFile(
  folder: Folder,
  path: string,
  options: OpenSingleFileOptions = {},
): Promise<Folder> {
  const { config, tokenizer } = options;
  const file = await readModelFile(folder, path);
  const { weights } = file;
  const predictionType = options.predictionType ?? (await predictionOf(folder, path, file));
  const read = { folder, path, weights, predictionType };
  const model = readTransformerFile(read) ?? readStableDiffusionFile(read);
  if (!model) throw notAModel(folder, path);
  const files: Record<string, string | Uint8Array> = {};
  const index: Record<string, unknown> = { _class_name: model.className };
  for (const [name, { assumed, measured }] of Object.entries(model.components)) {
    const given = await readGiven(config, `${name}/config.json`);
    files[`${name}/config.json`] = JSON.stringify({ ...assumed, ...given, ...measured });
    index[name] = classOf(measured);
  }
  const borrowed: Record<string, Folder> = {};
  for (const name of [...model.missing, ...model.optional]) {
    const given = await readGiven(config, `${name}/config.json`);
    if (given && config) {
      borrowed[name] = config.subfolder(name);
      index[name] = classOf(given);
    } else if (model.missing.includes(name)) throw lacks(folder, path, model.missing);
  }
  for (const [name, usual] of Object.entries(model.schedulers)) {
    const chosen = (await readGiven(config, `${name}/scheduler_config.json`)) ?? usual;
    files[`${name}/scheduler_config.json`] = JSON.stringify(chosen);
    index[name] = ['diffusers', String(chosen._class_name)];
  }
  for (const [name, padToken] of model.tokenizers) {
    // Without its encoder a tokenizer has nothing to read for.
    if (!(name.replace('tokenizer', 'text_encoder') in index)) continue;
    await addTokenizer(files, folder, path, { name, padToken, config, tokenizer });
    index[name] = ['transformers', padToken === 't5' ? 'T5Tokenizer' : 'CLIPTokenizer'];
  }
  files['model_index.json'] = JSON.stringify({ ...index, ...model.options });
  const memory = memoryFolder(files, `${folder.name}/${path}`);
  return singleFileFolder(folder, path, memory, { components: model.components, borrowed });
}

/** The weights of a file, and what else it says. */
interface ReadFile {
  readonly weights: Weights;
  readonly metadata: ReadonlyMap<string, string>;
  /** Steps that it was trained for, where it says. */
  readonly globalStep: unknown;
}

/** Reads the header of a file with weights. @throws {UnsupportedFileError} if there are none in it */
export async function readModelFile(folder: Folder, path: string): Promise<ReadFile> {
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
    'it is not a whole Stable Diffusion 1, 2 or XL: it has no "model.diffusion_model", "first_stage_model" and text encoder; nor is it a Stable Diffusion 3 or Flux',
    'Give a model with all its parts, or the folder of one in diffusers layout.',
  );

const lacks = (folder: Folder, path: string, missing: readonly string[]) =>
  new UnsupportedFileError(
    folder,
    path,
    `it lacks ${missing.map((name) => `"${name}"`).join(', ')}`,
    'Give the folder of a model in diffusers layout that has them (config), or a file with all parts.',
  );

/** The library and class of a component. */
function classOf({ _class_name: className, architectures }: Readonly<Record<string, unknown>>): unknown[] {
  return className === undefined && Array.isArray(architectures)
    ? ['transformers', architectures[0]]
    : ['diffusers', className];
}

/** Steps that the Stable Diffusion 2 was trained for that predicts noise: `512-base-ema.ckpt`. */
const sd2BaseSteps = 875000;

/**
 * What the U-Net predicts, if something tells: files say it in their notes, by a tensor of that name, in a `.yaml` beside
 * them, or, of Stable Diffusion 2, by the steps of training.
 */
async function predictionOf(
  folder: Folder,
  path: string,
  { weights, metadata, globalStep }: ReadFile,
): Promise<PredictionType | undefined> {
  const note = metadata.get('modelspec.prediction_type');
  if (note !== undefined) return /^v/.test(note) ? 'v_prediction' : 'epsilon';
  if (weights.has('v_pred')) return 'v_prediction';
  const settings = path.replace(endings, '.yaml');
  if (settings !== path && (await folder.has(settings))) {
    const text = new TextDecoder().decode(await folder.read(settings));
    return /^\s*parameterization:\s*["']?v["']?\s*$/m.test(text) ? 'v_prediction' : 'epsilon';
  }
  return globalStep === sd2BaseSteps && stepsTellPrediction(weights) ? 'epsilon' : undefined;
}

const vocabularyFiles = ['vocab.json', 'merges.txt'];
const tokenizerFiles = [
  ...vocabularyFiles,
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'spiece.model',
];

interface TokenizerSource {
  readonly name: string;
  readonly padToken: string;
  readonly config: Folder | undefined;
  readonly tokenizer: OpenSingleFileOptions['tokenizer'];
}

async function addTokenizer(
  files: Record<string, string | Uint8Array>,
  folder: Folder,
  path: string,
  { name, padToken, config, tokenizer }: TokenizerSource,
): Promise<void> {
  const own = config?.subfolder(name);
  const hasOwn = own && (await hasAny(own, ['vocab.json', 'tokenizer.json', 'spiece.model']));
  const isT5 = padToken === 't5';
  const clip = () => (typeof tokenizer === 'function' ? tokenizer() : tokenizer);
  const source = hasOwn ? own : isT5 ? undefined : await clip();
  if (!source) {
    const wanted = isT5
      ? 'that of a model in diffusers layout which has that of T5 (config)'
      : "the folder of CLIP's (tokenizer), or that of a model in diffusers layout (config)";
    throw new InvalidArgumentError(
      `${folder.name}/${path}: a model in a single file has no tokenizer. Give ${wanted}.`,
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

async function hasAny(folder: Folder, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if (await folder.has(path)) return true;
  return false;
}

/** A JSON object of the folder of configurations, if there is one. */
export async function readGiven(
  config: Folder | undefined,
  path: string,
): Promise<Record<string, unknown> | undefined> {
  if (!config || !(await config.has(path))) return undefined;
  const json = await readJson(config, path);
  // What is not an object is left for the component's own reader to refuse.
  return typeof json === 'object' && json !== null ? { ...json } : undefined;
}

/** Where the weights of a single file's folder come from. */
interface SingleFileWeights {
  /** Components in the file, by the names of their folders. */
  readonly components?: Readonly<Record<string, ConvertedComponent>>;
  /** Components of another model. */
  readonly borrowed?: Readonly<Record<string, Folder>>;
  /** What the file is, if it holds one network. */
  readonly whole?: ConvertedComponent;
}

/** Configurations from memory, weights from the file. */
export function singleFileFolder(
  folder: Folder,
  path: string,
  files: Folder,
  { components = {}, borrowed = {}, whole }: SingleFileWeights,
): Folder {
  const file = resolvePath(folder.name, path);
  const view = (inner: Folder, component: ConvertedComponent | undefined): Folder => {
    // Weights keep the path that they have in the folder of the file.
    const home = (asked: string) => (resolvePath(inner.name, asked) === file ? folder : inner);
    const open = (name: string) => borrowed[name] ?? view(inner.subfolder(name), components[name]);
    return {
      name: inner.name,
      has: async (asked) => home(asked).has(asked),
      size: async (asked) => home(asked).size(asked),
      read: async (asked, range) => home(asked).read(asked, range),
      locate: async (asked) => home(asked).locate(asked),
      subfolder: (asked) => open(resolvePath(inner.name, asked)),
      ...(component && { weights: () => component.weights() }),
    };
  };
  return view(files, whole);
}
