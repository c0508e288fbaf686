// From a model's files to something that paints: reads what the model is made of and loads each part.
import { type DiffusersFolder, type Folder, openDiffusersFolder, readJson } from '@emulsion/checkpoints';
import { type ControlNet, loadControlNet } from '@emulsion/controlnet';
import type { DownloadEvent, HubOptions } from '@emulsion/hub';
import type { Cancellable, Device, DeviceKind } from '@emulsion/runtime';
import { createScheduler } from '@emulsion/schedulers';
import { loadPromptEncoder, loadSdxlPromptEncoder } from '@emulsion/text-encoder';
import { loadUnet } from '@emulsion/unet';
import { loadVae } from '@emulsion/vae';
import { createDevice } from '#platform';
import { UnsupportedModelError } from './errors.ts';
import type { OpenedSource, OpenSourceOptions } from './open-source.ts';
import type { PaintResult } from './paint-options.ts';
import {
  type PipelineClass,
  type PipelineDefaults,
  type PipelineRequest,
  paintAs,
  pipelineClasses,
} from './pipeline-classes.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

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
  readonly onProgress?: ((event: LoadEvent) => void) | undefined;
}

/** Paints pictures; its parts can be used by themselves. */
export interface Pipeline extends StableDiffusionParts {
  /** From the prompt alone; with an `image` from that; with a `maskImage` too, what is masked of it. */
  (options: PipelineRequest): Promise<PaintResult>;
  /** What is taken for a setting that a request leaves out. */
  readonly defaults: PipelineDefaults;
  /** What of the model's folder is not used, in sentences. */
  readonly notes: readonly string[];
  /** Frees the model, and the device unless it was given. */
  dispose(): Promise<void>;
}

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
export async function loadPipeline(
  source: string | Folder,
  options: LoadPipelineOptions = {},
): Promise<Pipeline> {
  const { signal } = options;
  signal?.throwIfAborted();
  const opened =
    typeof source === 'string'
      ? await openSource(source, { ...sourceOptions(options), onProgress: downloadReporter(options) })
      : { folder: source, notes: [] };
  const model = await openDiffusersFolder(opened.folder);
  const pipelineClass = pipelineClassOf(model);
  const notes = [...opened.notes, ...assertComponents(model, pipelineClass)];
  const given = typeof options.device === 'object' ? options.device : undefined;
  const device = given ?? (await createDevice(typeof options.device === 'string' ? options.device : 'auto'));
  const loaded: { dispose(): Promise<void> }[] = [];
  const dispose = async () => {
    // A device of our own goes with all that was loaded on it.
    for (const part of given ? loaded : [device]) await part.dispose();
  };
  try {
    const parts = await loadParts(model, device, options, (part) => loaded.push(part));
    const unused = [parts.unet, ...textEncodersOf(parts), ...(parts.controlNets ?? [])].reduce(
      (count, { unusedWeights }) => count + unusedWeights.length,
      0,
    );
    if (unused > 0) notes.push(`${unused} weights of the checkpoint are not used.`);
    const painter = (request: PipelineRequest) => paintAs(pipelineClass, parts, request);
    return Object.assign(painter, parts, {
      defaults: pipelineClass.defaults,
      notes,
      dispose,
    });
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

const textEncodersOf = ({ promptEncoder }: StableDiffusionParts) =>
  ('encoders' in promptEncoder ? promptEncoder.encoders : [promptEncoder]).map(
    ({ textEncoder }) => textEncoder,
  );

function pipelineClassOf({ className, folder }: DiffusersFolder): PipelineClass {
  const pipelineClass = pipelineClasses.get(className);
  if (pipelineClass) return pipelineClass;
  throw new UnsupportedModelError(
    `${folder.name}: "${className}" in model_index.json is not supported. ${[...pipelineClasses.keys()].join(', ')} are.`,
  );
}

/** @returns what components are not used, in sentences */
function assertComponents(
  { components: found, folder }: DiffusersFolder,
  { components }: PipelineClass,
): string[] {
  for (const [name, classes] of Object.entries(components)) {
    const component = found[name];
    if (!component) {
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
  return Object.keys(found)
    .filter((name) => !(name in components) && !silent.includes(name))
    .map((name) => leftOut[name] ?? `The component "${name}" is not used.`);
}

async function loadParts(
  { folder, components, options: indexOptions }: DiffusersFolder,
  device: Device,
  request: LoadPipelineOptions,
  keep: (part: { dispose(): Promise<void> }) => void,
): Promise<StableDiffusionParts> {
  const { dtype, signal, onProgress } = request;
  const options = { device, signal, variant: dtype === 'float16' ? 'fp16' : undefined };
  const controlFolders = await controlNetFolders({ folder, components }, request);
  const total = 3 + controlFolders.length;
  const report = (component: string, loaded: number) => onProgress?.({ component, loaded, total });
  const kept = <Part extends { dispose(): Promise<void> }>(part: Part): Part => {
    keep(part);
    return part;
  };
  const schedulerConfig = await readSchedulerConfig(folder.subfolder('scheduler'));
  report('text_encoder', 0);
  const promptEncoder = kept(
    await (components.text_encoder_2 ? loadSdxlPromptEncoder : loadPromptEncoder)(folder, options),
  );
  report('vae', 1);
  const vae = kept(await loadVae(folder.subfolder('vae'), options));
  const controlNets: ControlNet[] = [];
  for (const controlFolder of controlFolders) {
    report('controlnet', 2 + controlNets.length);
    controlNets.push(kept(await loadControlNet(controlFolder, options)));
  }
  report('unet', total - 1);
  const unet = kept(await loadUnet(folder.subfolder('unet'), options));
  report('unet', total);
  return {
    device,
    promptEncoder,
    unet,
    vae,
    controlNets,
    schedulerConfig,
    forceZerosForEmptyPrompt: indexOptions.force_zeros_for_empty_prompt === true,
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
  for (const source of request.controlNets ?? []) {
    // The revision and the configuration are the model's.
    const options = { ...sourceOptions(request), config: undefined, revision: undefined };
    const opened =
      typeof source === 'string'
        ? await openSource(source, { ...options, onProgress: downloadReporter(request) })
        : { folder: source };
    folders.push(opened.folder);
  }
  return folders;
}

async function readSchedulerConfig(folder: Folder): Promise<Readonly<Record<string, unknown>>> {
  const config = await readJson(folder, 'scheduler_config.json');
  // One that is not supported is refused now, not with the first picture.
  createScheduler(config);
  return config as Readonly<Record<string, unknown>>; // an object, or it would have been refused
}
