// From a model's files to something that paints: reads what the model is made of and loads each part.
import type { Component } from '@emulsion/adapters';
import { type DiffusersFolder, type Folder, openDiffusersFolder } from '@emulsion/checkpoints';
import { type ControlNet, loadControlNet } from '@emulsion/controlnet';
import type { DownloadEvent, HubOptions } from '@emulsion/hub';
import type { AdaptableNetwork } from '@emulsion/nn';
import type { Cancellable, Device, DeviceKind } from '@emulsion/runtime';
import { InvalidArgumentError } from '@emulsion/tensor';
import { loadPromptEncoder, loadSdxlPromptEncoder } from '@emulsion/text-encoder';
import { type LoadOptions, loadUnet, type UnetConfig } from '@emulsion/unet';
import { loadVae, type Vae } from '@emulsion/vae';
import { createDevice } from '#platform';
import { type AdaptableNetworks, Adapters } from './adapters.ts';
import { assertControlNet } from './assert-control-net.ts';
import { UnsupportedModelError } from './errors.ts';
import { defaultsFor } from './few-step-settings.ts';
import type { FluxParts } from './flux.ts';
import { type LoadPart, readSchedulerConfig } from './load-part.ts';
import type { FoundPictureAdapters, PictureAdapterOptions } from './load-picture-adapters.ts';
import { type MemoryOptions, PipelineMemory } from './memory.ts';
import type { MemoryPlan, PlannedPictures } from './memory-plan.ts';
import type { OpenedSource, OpenSourceOptions } from './open-source.ts';
import type { PaintResult } from './paint-options.ts';
import {
  type ClassDescription,
  type PipelineDefaults,
  type PipelineRequest,
  paintAs,
  pipelineClasses,
} from './pipeline-classes.ts';
import type { StableDiffusion3Parts } from './stable-diffusion-3.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { assertTransformerRequest, transformerClasses } from './transformer-classes.ts';

/** A part of the model is being loaded, or all are; or a file of it is being downloaded. */
export interface LoadEvent {
  /** The part, or the path of the file. */
  readonly component: string;
  /** Parts that are loaded, and parts in all; of a download, bytes of all files that were asked for so far. */
  readonly loaded: number;
  readonly total: number;
  /** More of the download, if it is one. */
  readonly download?: DownloadEvent;
}

/** Options of the hub are for models that come from one. */
export interface LoadPipelineOptions
  extends Cancellable,
    MemoryOptions,
    PictureAdapterOptions,
    Pick<HubOptions, 'revision' | 'localFilesOnly' | 'token' | 'endpoint' | 'storage'> {
  /** What to run on, or a device to share; `auto` unless said otherwise. */
  readonly device?: DeviceKind | 'auto' | Device | undefined;
  /** Which copy of the weights to read where there are several; the plain one unless said otherwise. */
  readonly dtype?: 'float32' | 'float16' | undefined;
  /**
   * Of a model in a single file: a model in diffusers layout that what the file lacks is taken from, its tokenizers and
   * what shapes do not tell. Without it CLIP's tokenizer is downloaded from the hub.
   */
  readonly config?: string | Folder | undefined;
  /** ControlNets beside those of the model, each in a folder of its own: paths, addresses, names on the hub or folders. */
  readonly controlNets?: readonly (string | Folder)[] | undefined;
  /** The folder of an AutoencoderTiny for the latents of the model's autoencoder, for previews: as `controlNets`. */
  readonly previewVae?: string | Folder | undefined;
  readonly onProgress?: ((event: LoadEvent) => void) | undefined;
}

/** Paints pictures. */
export interface Painter {
  /** From the prompt alone; with an `image` from that; with a `maskImage` too, what is masked of it. */
  (options: PipelineRequest): Promise<PaintResult>;
  /** What is taken for a setting that a request leaves out. */
  readonly defaults: PipelineDefaults;
  /** What of the model's folder is not used, in sentences. */
  readonly notes: readonly string[];
  /** What changes the model while it stays loaded: LoRAs and their like, each with its strength. */
  readonly adapters: Adapters;
  /** What pictures take of memory, by estimate; of the model's own size unless another is given. */
  plan(pictures?: Partial<PlannedPictures>): Promise<MemoryPlan>;
  /** Frees the model, and the device unless it was given. */
  dispose(): Promise<void>;
}

/** What a pipeline is composed of: with a `unet`, or with a `transformer`. */
export type PipelineParts = StableDiffusionParts | StableDiffusion3Parts | FluxParts;

/** A pipeline whose network is a U-Net. */
export type StableDiffusionPipeline = Painter & StableDiffusionParts;

/** Paints pictures; its parts can be used by themselves. `'unet' in pipeline` tells which ones it has. */
export type Pipeline = StableDiffusionPipeline | (Painter & StableDiffusion3Parts) | (Painter & FluxParts);

/** Components that a picture can be painted without, and what it means that they are not used. */
const leftOut: Readonly<Record<string, string>> = {
  safety_checker: 'The safety checker is not run.',
  image_encoder: 'The image encoder is not used.',
};
/** Components that need no word: the scheduler is not a network, the feature extractor serves the safety checker. */
const silent = ['scheduler', 'feature_extractor'];

/**
 * Loads a model.
 * @param source a model in diffusers layout: the path of its folder, in a browser the address; or its name on the
 * Hugging Face hub, as in `owner/name`, from where what is needed of it is downloaded once; or a `Folder`. Or a
 * `.safetensors` or `.ckpt` that holds a whole model
 * @throws {SourceNotFoundError} if it is none of them, {UnsupportedModelError} if there is no pipeline for it, and the
 * errors of the hub and of the parts' loaders: what is missing or wrong, and what to do
 */
export function loadPipeline(source: string | Folder, options: LoadPipelineOptions = {}): Promise<Pipeline> {
  return openPipeline(source, options, true);
}

/**
 * What pictures of a model will take of memory: nothing of it is loaded for that, only the headers of its files are read.
 * @param source as of `loadPipeline`, whose other options it takes too
 * @returns the plan, whether it keeps to the budget or not
 * @throws as `loadPipeline`
 */
export async function planMemory(
  source: string | Folder,
  { width, height, pictures, fromImage, ...options }: LoadPipelineOptions & Partial<PlannedPictures> = {},
): Promise<MemoryPlan> {
  const onProgress = (event: LoadEvent) => {
    // Parts are read, but not loaded.
    if (event.download) options.onProgress?.(event);
  };
  const pipeline = await openPipeline(source, { ...options, onProgress }, false);
  try {
    const asked = Object.entries({ width, height, pictures, fromImage });
    return await pipeline.plan(Object.fromEntries(asked.filter(([, value]) => value !== undefined)));
  } finally {
    await pipeline.dispose();
  }
}

async function openPipeline(
  source: string | Folder,
  options: LoadPipelineOptions,
  loads: boolean,
): Promise<Pipeline> {
  const { signal } = options;
  signal?.throwIfAborted();
  const opened =
    typeof source === 'string'
      ? await openSource(source, { ...sourceOptions(options), onProgress: downloadReporter(options) })
      : { folder: source, notes: [] };
  const model = await openDiffusersFolder(opened.folder);
  const description = classOf(model);
  const notes = [...opened.notes, ...assertComponents(model, description, options)];
  const given = typeof options.device === 'object' ? options.device : undefined;
  const device = given ?? (await createDevice(typeof options.device === 'string' ? options.device : 'auto'));
  const loaded: { dispose(): Promise<void> }[] = [];
  let isComplete = false;
  const dispose = async () => {
    // A device of our own goes with all that was loaded on it.
    for (const part of given ? loaded : [device]) await part.dispose();
  };
  try {
    const memory = new PipelineMemory(device, options, loads, (component, isLoaded) => {
      // While parts are read, whoever reads them says so.
      if (isComplete) options.onProgress?.({ component, loaded: isLoaded ? 1 : 0, total: 1 });
    });
    const { parts, paint } = await loadModel(model, memory, options, (part) => loaded.push(part));
    if (options.previewVae !== undefined) {
      const folder = await openPart(options.previewVae, options);
      const previewVae = await loadVae(folder, { device: memory.device, signal });
      loaded.push(previewVae);
      assertSameLatents(parts.vae, previewVae);
      Object.assign(parts, { previewVae });
    }
    await memory.complete(parts.vae, ownSize(parts), {
      tokens: textLength(parts),
      conditions: conditionsOf(parts),
    });
    isComplete = true;
    if (loads) await memory.load({ signal });
    const reading = 'unet' in parts && {
      ...parts,
      folder: model.folder,
      components: model.components,
      options: { device: memory.device, variant: variantOf(options) },
      keep: (part: { dispose(): Promise<void> }) => loaded.push(part),
    };
    const adapters = new Adapters(
      adaptableNetworks(parts),
      parts.promptEncoder.embeddings,
      reading || undefined,
    );
    const unused = networksOf(parts).reduce((count, { unusedWeights }) => count + unusedWeights.length, 0);
    if (unused > 0) notes.push(`${unused} weights of the checkpoint are not used.`);
    const painter = async (request: PipelineRequest) => {
      try {
        return await paint(request);
      } finally {
        await memory.trim();
      }
    };
    const plan = (pictures?: Partial<PlannedPictures>) => memory.plan(paintedPictures(parts, pictures));
    const defaults = defaultsFor(description.defaults, parts);
    return Object.assign(painter, parts, { device, defaults, notes, adapters, plan, dispose });
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Opens a model by its name. Pages that open folders on their own need none of what hubs and single files take. */
async function openSource(source: string, options: OpenSourceOptions): Promise<OpenedSource> {
  return (await import('./open-source.ts')).openSource(source, options);
}

const sourceOptions = ({
  config,
  revision,
  localFilesOnly,
  token,
  endpoint,
  storage,
  signal,
}: LoadPipelineOptions) => ({
  config,
  revision,
  localFilesOnly,
  token,
  endpoint,
  storage,
  signal,
});

const downloadReporter =
  ({ onProgress }: LoadPipelineOptions) =>
  (download: DownloadEvent) => {
    const { file, bytesLoaded, bytesTotal } = download;
    onProgress?.({ component: file, loaded: bytesLoaded, total: bytesTotal, download });
  };

/** The networks that adapters can change. */
function adaptableNetworks(parts: PipelineParts): AdaptableNetworks {
  if (!('unet' in parts)) {
    const [clip, clip2] = parts.promptEncoder.clips;
    return new Map<Component, AdaptableNetwork>([
      ['transformer', parts.transformer],
      ...(clip ? [['textEncoder', clip.textEncoder] as const] : []),
      ...(clip2 ? [['textEncoder2', clip2.textEncoder] as const] : []),
    ]);
  }
  const { promptEncoder, unet } = parts;
  const isXl = 'encoders' in promptEncoder;
  const encoders = isXl ? promptEncoder.encoders : [promptEncoder];
  // A refiner has the second encoder alone.
  const isRefiner = isXl && encoders.length === 1;
  return new Map<Component, AdaptableNetwork>([
    ['unet', unet],
    ...encoders.map(
      ({ textEncoder }, i) => [isRefiner || i === 1 ? 'textEncoder2' : 'textEncoder', textEncoder] as const,
    ),
  ]);
}

/** The networks that say which weights they do not use. */
function networksOf(parts: PipelineParts): readonly { readonly unusedWeights: readonly string[] }[] {
  const textEncoders = (encoders: readonly TextEncoding[]) => encoders.map(({ textEncoder }) => textEncoder);
  if ('unet' in parts) {
    const { promptEncoder, unet, controlNets = [], t2iAdapters = [], ipAdapters = [] } = parts;
    const encoders = 'encoders' in promptEncoder ? promptEncoder.encoders : [promptEncoder];
    const pictureAdapters = ipAdapters.flatMap(({ adapter, imageEncoder }) => [adapter, imageEncoder]);
    return [...textEncoders(encoders), unet, ...controlNets, ...t2iAdapters, ...new Set(pictureAdapters)];
  }
  const { clips, t5 } = parts.promptEncoder;
  return [...textEncoders(t5 ? [...clips, t5] : clips), parts.transformer];
}

interface TextEncoding {
  readonly textEncoder: { readonly unusedWeights: readonly string[] };
}

function classOf({ className, folder }: DiffusersFolder): ClassDescription {
  const description = pipelineClasses.get(className) ?? transformerClasses.get(className);
  if (description) return description;
  const known = [...pipelineClasses.keys(), ...transformerClasses.keys()];
  throw new UnsupportedModelError(
    `${folder.name}: "${className}" in model_index.json is not supported. ${known.join(', ')} are.`,
  );
}

/** @returns what components are not used, in sentences */
function assertComponents(
  { components: found, folder }: DiffusersFolder,
  { components, optional = [] }: ClassDescription,
  { ipAdapters = [] }: LoadPipelineOptions,
): string[] {
  for (const [name, classes] of Object.entries(components)) {
    const component = found[name];
    if (!component) {
      if (optional.includes(name)) continue;
      throw new UnsupportedModelError(
        `${folder.name}: model_index.json names no "${name}". Fetch the whole model.`,
      );
    }
    if (!classes.some((known) => known === component.className)) {
      throw new UnsupportedModelError(
        `${folder.name}: "${component.className}" in model_index.json is not supported as "${name}". ${classes[0]} is.`,
      );
    }
  }
  return (
    Object.keys(found)
      .filter((name) => !(name in components) && !silent.includes(name))
      // IP-Adapters read it.
      .filter((name) => name !== 'image_encoder' || ipAdapters.length === 0)
      .map((name) => leftOut[name] ?? `The component "${name}" is not used.`)
  );
}

function assertSameLatents({ config }: Vae, { config: own }: Vae): void {
  if (own.latentChannels === config.latentChannels && own.scale === config.scale) return;
  throw new InvalidArgumentError(
    `previewVae: its latents have ${own.latentChannels} channels, one for ${own.scale} pixels; those of the model have ${config.latentChannels}, one for ${config.scale}. Take the tiny autoencoder of this family.`,
  );
}

/** Tokens of a text that the first of CLIP's encoders reads. */
function textLength({ promptEncoder }: PipelineParts): number | undefined {
  if ('clips' in promptEncoder) return promptEncoder.clips[0]?.textEncoder.config.maxPositionEmbeddings;
  const [first] = 'encoders' in promptEncoder ? promptEncoder.encoders : [promptEncoder];
  return first?.textEncoder.config.maxPositionEmbeddings;
}

/** Conditions that a U-Net is asked about in one batch: the prompts, and neither beside the picture of InstructPix2Pix. */
function conditionsOf(parts: PipelineParts): number {
  return 'unet' in parts && parts.unet.config.inChannels === 2 * parts.vae.config.latentChannels ? 3 : 2;
}

/** Pixels of the pictures that a model makes unless others are asked for. */
function ownSize(parts: PipelineParts): PlannedPictures {
  const { config } = 'unet' in parts ? parts.unet : parts.transformer;
  const sampleSize = 'sampleSize' in config ? (config.sampleSize ?? 64) : 128;
  const size = sampleSize * parts.vae.config.scale;
  return { width: size, height: size };
}

/** Pictures as they are painted: an upscaler's are larger than the one they are painted from, which it does not encode. */
function paintedPictures(
  parts: PipelineParts,
  pictures: Partial<PlannedPictures> = {},
): Partial<PlannedPictures> {
  const { width, height, fromImage } = pictures;
  if (!fromImage || !('unet' in parts && parts.lowResolution)) return pictures;
  const { scale } = parts.vae.config;
  return {
    ...pictures,
    ...(width !== undefined && { width: width * scale }),
    ...(height !== undefined && { height: height * scale }),
    fromImage: false,
  };
}

/** The copy of the weights that is asked for, by the word in its file name. */
const variantOf = ({ dtype }: LoadPipelineOptions) => (dtype === 'float16' ? 'fp16' : undefined);

/** Loads the parts of a model, and says how it paints. */
async function loadModel(
  model: DiffusersFolder,
  memory: PipelineMemory,
  request: LoadPipelineOptions,
  keep: (part: { dispose(): Promise<void> }) => void,
): Promise<{ parts: PipelineParts; paint(request: PipelineRequest): Promise<PaintResult> }> {
  const { folder, className } = model;
  const { signal, onProgress } = request;
  const options = { device: memory.device, signal, variant: variantOf(request) };
  const controlFolders = await controlNetFolders(model, request);
  const pictureAdapters = await findAdapters(model, request);
  let loaded = 0;
  const total = 3 + controlFolders.length + (pictureAdapters?.parts ?? 0);
  const part: LoadPart = async (component, load) => {
    onProgress?.({ component, loaded, total });
    const part = await load();
    keep(part);
    loaded++;
    if (loaded === total) onProgress?.({ component, loaded, total });
    return part;
  };
  const transformerClass = transformerClasses.get(className);
  if (transformerClass) {
    assertFollowsNothing(folder, controlFolders, pictureAdapters);
    const { parts, paint } = await transformerClass.load(folder, options, part);
    return {
      parts: Object.assign(parts, { memory }),
      async paint(request) {
        assertTransformerRequest(request);
        return paint(request);
      },
    };
  }
  const parts = {
    ...(await loadStableDiffusion(model, controlFolders, pictureAdapters, options, part)),
    memory,
  };
  const pipelineClass = pipelineClasses.get(className)!; // it is one of them
  return { parts, paint: (request) => paintAs(pipelineClass, parts, request) };
}

async function loadStableDiffusion(
  { folder, components, options: indexOptions }: DiffusersFolder,
  controlFolders: readonly Folder[],
  pictureAdapters: FoundPictureAdapters | undefined,
  options: LoadOptions,
  part: LoadPart,
): Promise<StableDiffusionParts> {
  const schedulerConfig = await readSchedulerConfig(folder);
  // Of XL's models it is taken for granted.
  const { force_zeros_for_empty_prompt: zerosForNothing = components.text_encoder_2 !== undefined } =
    indexOptions;
  const loadEncoder = components.text_encoder_2 ? loadSdxlPromptEncoder : loadPromptEncoder;
  const promptEncoder = await part<StableDiffusionParts['promptEncoder']>('text_encoder', () =>
    loadEncoder(folder, options),
  );
  const vae = await part('vae', () => loadVae(folder.subfolder('vae'), options));
  const controlNets: ControlNet[] = [];
  for (const controlFolder of controlFolders)
    controlNets.push(await part('controlnet', () => loadControlNet(controlFolder, options)));
  const adapters = pictureAdapters && (await loadAdapters(pictureAdapters, options, part));
  const unet = await part('unet', () => loadUnet(folder.subfolder('unet'), options));
  for (const controlNet of controlNets) assertControlNet({ unet, vae }, controlNet);
  adapters?.assertFor(unet.config);
  return {
    device: options.device,
    promptEncoder,
    unet,
    vae,
    controlNets,
    // Lists that adapters which are added come into.
    t2iAdapters: adapters?.t2iAdapters ?? [],
    ipAdapters: adapters?.ipAdapters ?? [],
    schedulerConfig,
    forceZerosForEmptyPrompt: zerosForNothing === true,
    scalesShownPicture: indexOptions.is_cosxl_edit === true,
    requiresAestheticsScore: indexOptions.requires_aesthetics_score === true,
    ...(components.low_res_scheduler && {
      lowResolution: {
        schedulerConfig: await readSchedulerConfig(folder, 'low_res_scheduler'),
        maxNoiseLevel: typeof indexOptions.max_noise_level === 'number' ? indexOptions.max_noise_level : 350,
      },
    }),
  };
}

function assertFollowsNothing(
  { name }: Folder,
  controlFolders: readonly Folder[],
  pictureAdapters: FoundPictureAdapters | undefined,
): void {
  if (controlFolders.length > 0) {
    throw new UnsupportedModelError(
      `${name}: a model with a transformer follows no ControlNets here. Leave controlNets out.`,
    );
  }
  if (pictureAdapters) {
    throw new UnsupportedModelError(
      `${name}: a model with a transformer takes no T2I-Adapters or IP-Adapters here. Leave t2iAdapters and ipAdapters out.`,
    );
  }
}

/** Where T2I-Adapters and IP-Adapters are, if there are any; whoever has none needs none of their code. */
async function findAdapters(
  { folder, components }: Pick<DiffusersFolder, 'folder' | 'components'>,
  request: LoadPipelineOptions,
): Promise<FoundPictureAdapters | undefined> {
  if (!components.adapter && !request.t2iAdapters?.length && !request.ipAdapters?.length) return undefined;
  const { findPictureAdapters } = await import('./load-picture-adapters.ts');
  const opening = { ...partOptions(request), onProgress: downloadReporter(request) };
  return findPictureAdapters(request, { folder, components, opening });
}

async function loadAdapters(found: FoundPictureAdapters, options: LoadOptions, part: LoadPart) {
  const { assertPictureAdapters, loadPictureAdapters } = await import('./load-picture-adapters.ts');
  const { t2iAdapters, ipAdapters } = await loadPictureAdapters(found, options, part);
  return {
    t2iAdapters,
    ipAdapters,
    assertFor: (config: UnetConfig) => assertPictureAdapters(config, t2iAdapters, ipAdapters),
  };
}

/** Where the ControlNets are: in the model, as `controlnet`, `controlnet_1` and so on, and where the request says. */
async function controlNetFolders(
  { folder, components }: Pick<DiffusersFolder, 'folder' | 'components'>,
  request: LoadPipelineOptions,
): Promise<Folder[]> {
  const folders: Folder[] = [];
  if (components.controlnet) {
    folders.push(folder.subfolder('controlnet'));
    // A MultiControlNetModel numbers the others.
    for (let next = 1; await folder.subfolder(`controlnet_${next}`).has('config.json'); next++)
      folders.push(folder.subfolder(`controlnet_${next}`));
  }
  for (const source of request.controlNets ?? []) folders.push(await openControlNet(source, request));
  return folders;
}

const partOptions = (request: LoadPipelineOptions) => ({
  ...sourceOptions(request),
  config: undefined,
  revision: undefined,
});

/** The folder of a part that is not in the model's; the revision and the configuration are the model's. */
async function openPart(source: string | Folder, request: LoadPipelineOptions): Promise<Folder> {
  if (typeof source !== 'string') return source;
  return (await openSource(source, { ...partOptions(request), onProgress: downloadReporter(request) }))
    .folder;
}

/** The folder of a ControlNet, which may be in one file. */
async function openControlNet(source: string | Folder, request: LoadPipelineOptions): Promise<Folder> {
  if (typeof source !== 'string') return source;
  const options = { ...partOptions(request), onProgress: downloadReporter(request) };
  return (await (await import('./open-source.ts')).openControlNetSource(source, options)).folder;
}
