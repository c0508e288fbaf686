// The state of the app, and what the visitor can do.
import { encodePng, readPngText } from '@emulsion/image';
import { loadPipelineInWorker, type WorkerPipeline } from '@emulsion/pipelines/worker';
import { DeviceLostError } from '@emulsion/runtime';
import { computed, signal } from '@preact/signals';
import { addPicture, deletePicture, type GalleryPicture, listPictures } from './gallery-store.ts';
import { keepRest } from './keep-offline.ts';
import { measureMemory } from './memory.ts';
import { embeddedModel, type ModelSource, modelName } from './model-source.ts';
import { advanced, begun, isWorthSaying, type Painting, progressText } from './painting.ts';
import { readPreferences, writePreferences } from './preferences.ts';
import { type Settings, schedulerOf, settingsFrom, settingsText } from './settings.ts';
import { formatDuration } from './time-left.ts';

export type Model =
  | {
      readonly state: 'loading';
      readonly name: string;
      readonly part: string;
      /** From 0 to 1. */
      readonly progress: number;
    }
  | {
      readonly state: 'ready';
      readonly name: string;
      readonly isEmbedded: boolean;
      readonly pipeline: WorkerPipeline;
      readonly seconds: number;
    }
  | { readonly state: 'failed'; readonly name: string; readonly message: string };

const preferences = readPreferences();
export const settings = signal<Settings>(preferences.settings);
/** Steps between two previews; 0 for none. */
export const previewEvery = signal(preferences.previewEvery);
export const device = signal(preferences.device);
export const model = signal<Model | undefined>(undefined);
export const painting = signal<Painting | undefined>(undefined);
export const gallery = signal<readonly GalleryPicture[]>([]);
/** The pictures on the easel: those that were painted last, or the one that was chosen. */
export const shown = signal<readonly GalleryPicture[]>([]);
export const problem = signal<string | undefined>(undefined);
/** What a screen reader says. */
export const announcement = signal('');
/** Bytes that WebAssembly takes in the worker, as last measured. */
export const memory = signal<number | undefined>(undefined);
export const lastSeed = signal<number | undefined>(undefined);

/** The size that a picture gets, and what it must be a multiple of. */
export const modelSize = computed(() => {
  if (model.value?.state !== 'ready') return { side: 512, multiple: 8 };
  const { unet, vae } = model.value.pipeline;
  const { scale } = vae.config;
  // Transformers see two by two latents at a time, and paint squares of 1024 pixels unless told otherwise.
  if (!unet) return { side: 1024, multiple: 2 * scale };
  return { side: (unet.config.sampleSize ?? 64) * scale, multiple: scale };
});

let source: ModelSource = embeddedModel();
let worker: Worker | undefined;
let loading: AbortController | undefined;
let stopping: AbortController | undefined;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export function change(changes: Partial<Settings>): void {
  settings.value = { ...settings.value, ...changes };
  savePreferences();
}

export function savePreferences(): void {
  writePreferences({ settings: settings.value, previewEvery: previewEvery.value, device: device.value });
}

/** Loads a model in place of the one before, in a fresh worker: the memory of a used one does not shrink. */
export async function chooseModel(chosen: ModelSource): Promise<void> {
  loading?.abort();
  stopping?.abort();
  worker?.terminate();
  source = chosen;
  const name = modelName(chosen);
  const controller = new AbortController();
  loading = controller;
  problem.value = undefined;
  model.value = { state: 'loading', name, part: '', progress: 0 };
  announcement.value = `Loading ${name}`;
  const start = performance.now();
  worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  try {
    const pipeline = await loadPipelineInWorker(worker, chosen, {
      device: device.value,
      signal: controller.signal,
      onProgress: ({ component, loaded, total }) => {
        model.value = { state: 'loading', name, part: component, progress: total > 0 ? loaded / total : 0 };
      },
    });
    const isEmbedded = chosen.kind === 'embedded';
    const seconds = (performance.now() - start) / 1000;
    model.value = { state: 'ready', name, isEmbedded, pipeline, seconds };
    announcement.value = `${name} is ready`;
    void noteMemory();
  } catch (error) {
    if (controller.signal.aborted) return;
    model.value = { state: 'failed', name, message: messageOf(error) };
    announcement.value = `${name} could not be loaded`;
  }
}

export const reloadModel = () => chooseModel(source);

export function chooseDevice(kind: typeof device.value): void {
  device.value = kind;
  savePreferences();
  void reloadModel();
}

/** Paints what the settings say, and hangs it in the gallery. */
export async function paint(): Promise<void> {
  const current = model.value;
  if (current?.state !== 'ready' || painting.value) return;
  const wanted = settings.value;
  const controller = new AbortController();
  stopping = controller;
  problem.value = undefined;
  announcement.value = 'Painting';
  painting.value = begun(wanted.numInferenceSteps);
  const start = performance.now();
  try {
    const result = await current.pipeline({
      prompt: wanted.prompt,
      negativePrompt: wanted.negativePrompt,
      numInferenceSteps: wanted.numInferenceSteps,
      guidanceScale: wanted.guidanceScale,
      scheduler: schedulerOf(wanted),
      seed: wanted.seed,
      width: wanted.width,
      height: wanted.height,
      numImagesPerPrompt: wanted.numImages,
      truncatePrompt: true,
      signal: controller.signal,
      onStep: async (event) => {
        const { step, progress } = event;
        const due = previewEvery.value > 0 && progress < 1 && step % previewEvery.value === 0;
        const preview = due ? await event.preview() : undefined;
        const before = painting.value;
        // Stopped while the preview was made.
        if (!before || controller.signal.aborted) return;
        const previews = preview ?? before.previews;
        const after = advanced({ ...before, previews }, event, performance.now() - start);
        painting.value = after;
        if (isWorthSaying(before, after)) announcement.value = progressText(after);
      },
    });
    const pictures: GalleryPicture[] = [];
    for (const [index, image] of result.images.entries()) {
      const parameters = settingsText(wanted, {
        ...image,
        seed: result.seed,
        index,
        model: current.name,
        ownScheduler: String(current.pipeline.schedulerConfig._class_name),
      });
      const png = new Blob([encodePng(image, { text: { parameters } }) as BlobPart], { type: 'image/png' });
      const { width, height } = image;
      pictures.push(await keepPicture({ png, prompt: wanted.prompt, width, height }));
    }
    gallery.value = [...pictures.toReversed(), ...gallery.value];
    shown.value = pictures;
    lastSeed.value = Number(result.seed);
    const seconds = formatDuration(performance.now() - start);
    announcement.value = `${pictures.length === 1 ? 'The picture is' : 'The pictures are'} done, in ${seconds}`;
    void keepRest();
    void noteMemory();
  } catch (error) {
    if (controller.signal.aborted) announcement.value = 'Stopped';
    else {
      // What has crashed paints no more; a fresh worker does.
      if (DeviceLostError.is(error)) void reloadModel();
      problem.value = messageOf(error);
    }
  } finally {
    painting.value = undefined;
  }
}

let unkept = 0;

/** A picture that cannot be kept is shown all the same. */
async function keepPicture(picture: Omit<GalleryPicture, 'id'>): Promise<GalleryPicture> {
  try {
    return await addPicture(picture);
  } catch (error) {
    problem.value = `The picture cannot be kept in the gallery: ${messageOf(error)} Save it before you close the page.`;
    unkept += 1;
    return { ...picture, id: -unkept };
  }
}

async function noteMemory(): Promise<void> {
  if (worker) memory.value = await measureMemory(worker);
}

export function stop(): void {
  stopping?.abort();
}

/** Fills the form with what a picture was painted with. */
export async function takeSettings(file: Blob): Promise<void> {
  problem.value = undefined;
  try {
    const { parameters } = readPngText(new Uint8Array(await file.arrayBuffer()));
    if (parameters === undefined) {
      problem.value = 'This picture does not say how it was made.';
      return;
    }
    change(settingsFrom(parameters, settings.value));
    announcement.value = 'The settings of the picture are in the form';
  } catch (error) {
    problem.value = messageOf(error);
  }
}

/** Puts a picture of the gallery on the easel, and its settings into the form. */
export async function showPicture(picture: GalleryPicture): Promise<void> {
  shown.value = [picture];
  await takeSettings(picture.png);
}

export async function removePicture({ id }: GalleryPicture): Promise<void> {
  if (id > 0) await deletePicture(id);
  const others = (pictures: readonly GalleryPicture[]) => pictures.filter((picture) => picture.id !== id);
  gallery.value = others(gallery.value);
  shown.value = others(shown.value);
  announcement.value = 'The picture is deleted';
}

/** What happens when the page opens. */
export async function start(): Promise<void> {
  void chooseModel(source);
  try {
    gallery.value = await listPictures();
  } catch (error) {
    problem.value = `The gallery cannot be opened: ${messageOf(error)}`;
  }
}
