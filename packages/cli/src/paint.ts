// `emulsion paint`: a picture from a prompt.
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fewStepDefaults, fewStepLora, modelDefaults, modelUrl } from '@emulsion/default-model';
import { decodePng, encodePng, formatGenerationParameters, type RgbImage } from '@emulsion/image';
import {
  type FewStepKind,
  fewStepSettings,
  type LoadPipelineOptions,
  loadPipeline,
  type Margins,
  type MemoryPlan,
  type PaintResult,
  type Pipeline,
  type PaintOptions as PipelineOptions,
  type PlannedPictures,
  type PreviewMethod,
  planMemory,
  type SeedOptions,
} from '@emulsion/pipelines';
import type { DeviceKind } from '@emulsion/runtime';
import type { RngKind } from '@emulsion/tensor';
import { latentProjectionOf } from '@emulsion/vae';
import { type AdapterFile, addAdapters } from './adapter-files.ts';
import { UsageError } from './errors.ts';
import { readLatents, writeLatents } from './latents-file.ts';
import { assertWritable, freeFileNameOf, numberedPath, writeWhole } from './output-files.ts';
import { reportPlan } from './plan-memory.ts';
import type { Report } from './report.ts';

/** The options of the command, as the command line names them. */
export interface PaintOptions {
  readonly model?: string;
  readonly revision?: string;
  readonly config?: string;
  readonly offline?: boolean;
  readonly negativePrompt?: string;
  readonly prompt2?: string;
  readonly negativePrompt2?: string;
  readonly prompt3?: string;
  readonly maxSequenceLength?: number;
  readonly trueCfgScale?: number;
  readonly fewSteps?: FewStepKind;
  readonly frames?: number;
  readonly to?: string;
  readonly refiner?: string;
  readonly refinerStart?: number;
  readonly steps?: number;
  readonly guidanceScale?: number;
  readonly guidanceRescale?: number;
  readonly seed?: readonly bigint[];
  readonly seedPerImage?: boolean;
  readonly rng?: RngKind;
  readonly variationSeed?: bigint;
  readonly variationStrength?: number;
  readonly seedResizeFrom?: Size;
  readonly etaNoiseSeedDelta?: number;
  readonly scheduler?: string;
  readonly width?: number;
  readonly height?: number;
  readonly images?: number;
  readonly clipSkip?: number;
  readonly eta?: number;
  readonly truncatePrompt?: boolean;
  readonly embedding?: readonly AdapterFile[];
  readonly lora?: readonly AdapterFile[];
  readonly hypernetwork?: readonly AdapterFile[];
  readonly device: DeviceKind | 'auto';
  readonly dtype?: 'float32' | 'float16';
  readonly output?: string;
  readonly image?: string;
  readonly strength?: number;
  readonly mask?: string;
  readonly maskBlur?: number;
  readonly paddingMaskCrop?: number;
  readonly expand?: Required<Margins>;
  readonly imageGuidanceScale?: number;
  readonly noiseLevel?: number;
  readonly hiresScale?: number;
  readonly hiresStrength?: number;
  readonly hiresSteps?: number;
  readonly memoryBudget?: number;
  readonly plan?: boolean;
  readonly vaeTiling: keyof typeof vaeTilings;
  readonly preview?: string;
  readonly previewVae?: string;
  readonly previewMethod?: PreviewMethod;
  readonly latents?: string;
  readonly saveLatents?: string;
}

/** A picture's size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** When pictures are decoded by tiles, as the command line and as a pipeline says it. */
const vaeTilings = { auto: 'auto', always: true, never: false } as const;

/** Steps that are enough with the samplers of today, whatever a pipeline takes for granted. */
const usualSteps = 20;

/** Paints the pictures and writes them. */
export async function paint(
  prompt: string,
  asked: PaintOptions,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  const options = { ...fewStepOptions(asked), ...asked };
  for (const [name, flag, needed, what] of needs) {
    if (options[name] !== undefined && options[needed] === undefined)
      throw new UsageError(`${flag} needs ${flagOf(needed)}, ${what}.`);
  }
  if (options.revision !== undefined && options.model === undefined) {
    throw new UsageError('--revision needs --model, the name of a model on a hub.');
  }
  if (options.config !== undefined && options.model === undefined) {
    throw new UsageError('--config needs --model, a model in a single file.');
  }
  if (options.frames !== undefined && options.refiner !== undefined) {
    throw new UsageError(
      '--frames does not go with --refiner, which finishes pictures of one prompt. Leave one of them out.',
    );
  }
  if (options.frames !== undefined && options.hiresScale !== undefined) {
    throw new UsageError(
      '--frames does not go with --hires-scale: the pictures of a walk are painted once. Leave one of them out.',
    );
  }
  const output =
    options.output ?? (await freeFileNameOf(prompt, Math.max(options.images ?? 1, options.frames ?? 1)));
  await assertWritable('--output', output);
  if (options.saveLatents !== undefined) await assertWritable('--save-latents', options.saveLatents);
  if (options.preview !== undefined) await assertWritable('--preview', options.preview);
  const latents = options.latents === undefined ? undefined : await readLatents(options.latents);
  const pictures = await readPictures(options);
  const loading = { options, report, signal };
  if (options.plan || options.memoryBudget !== undefined) {
    reportPlan(await planPictures(loading, pictures?.image), report);
    if (options.plan) return;
  }
  const { result, ...made } = await withPipeline(options.model, loading, async (pipeline) => {
    const defaults = options.model === undefined ? modelDefaults : pipeline.defaults;
    const settings = {
      steps: options.steps ?? Math.min(defaults.numInferenceSteps, usualSteps),
      guidanceScale: options.guidanceScale ?? defaults.guidanceScale,
    };
    const hires = options.hiresScale !== undefined && {
      hiresScale: options.hiresScale,
      hiresStrength: options.hiresStrength,
      hiresSteps: options.hiresSteps,
    };
    const walk = options.frames !== undefined && { frames: options.frames };
    const adding = { localFilesOnly: options.offline, signal };
    const notes = await addAdapters(pipeline, options.embedding ?? [], adding);
    const own = options.model === undefined && options.fewSteps !== undefined;
    const distilled = own ? [{ path: fileURLToPath(fewStepLora), strength: 1 }] : [];
    const others = [...distilled, ...(options.lora ?? []), ...(options.hypernetwork ?? [])];
    notes.push(...(await addAdapters(pipeline, others, { ...adding, numbered: true })));
    for (const message of [...pipeline.notes, ...notes]) report.send({ event: 'note', message });
    const result = await pipeline({
      prompt: options.to === undefined ? prompt : [prompt, options.to],
      prompt2: options.prompt2,
      prompt3: options.prompt3,
      negativePrompt: options.negativePrompt,
      negativePrompt2: options.negativePrompt2,
      maxSequenceLength: options.maxSequenceLength,
      trueCfgScale: options.trueCfgScale,
      numInferenceSteps: settings.steps,
      guidanceScale: settings.guidanceScale,
      guidanceRescale: options.guidanceRescale,
      ...seedOptions(options),
      width: options.width,
      height: options.height,
      ...(pictures
        ? {
            ...pictures,
            strength: options.strength,
            maskBlur: options.maskBlur,
            paddingMaskCrop: options.paddingMaskCrop,
            imageGuidanceScale: options.imageGuidanceScale,
            noiseLevel: options.noiseLevel,
            ...(options.expand && { expand: options.expand }),
          }
        : { latents, ...hires, ...walk }),
      numImagesPerPrompt: options.images,
      scheduler: options.scheduler,
      eta: options.eta,
      clipSkip: options.clipSkip,
      truncatePrompt: options.truncatePrompt,
      ...(options.refiner !== undefined && {
        denoisingEnd: options.refinerStart ?? usualRefinerStart,
        outputType: 'latent',
      }),
      ...vaeOptions(pipeline, loading),
      signal,
    });
    const ownScheduler = String(pipeline.schedulerConfig._class_name);
    return { ...settings, ownScheduler, scale: pipeline.vae.config.scale, result };
  });
  signal.throwIfAborted();
  const refined = options.refiner === undefined ? result : await refine(prompt, made, result, loading);
  signal.throwIfAborted();
  const files = await writePictures(output, prompt, options, made, refined);
  if (options.saveLatents !== undefined) await writeLatents(options.saveLatents, refined.latents);
  report.send({
    event: 'done',
    files,
    ...(options.saveLatents && { latents: resolve(options.saveLatents) }),
    seed: refined.seeds.join(', '),
    seconds: (performance.now() - start) / 1000,
  });
}

/** What goes with every loading of a model. */
interface Loading {
  readonly options: PaintOptions;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** How a model is loaded. */
function loadOptions(model: string | undefined, { options, report, signal }: Loading): LoadPipelineOptions {
  const isFirst = model === options.model;
  return {
    device: options.device,
    dtype: options.dtype,
    // They are those of the model that is painted with, and not of the refiner.
    revision: isFirst ? options.revision : undefined,
    config: isFirst ? options.config : undefined,
    previewVae: options.previewVae,
    memoryBudget: options.memoryBudget,
    // Unless it is said here, the environment says it.
    localFilesOnly: options.offline,
    signal,
    onProgress: ({ download, ...event }) =>
      report.send(download ? { event: 'download', ...download } : { event: 'load', ...event }),
  };
}

/** What the pictures will take of memory. */
async function planPictures(loading: Loading, image: RgbImage | undefined): Promise<MemoryPlan> {
  const { options } = loading;
  const planOf = (pictures: Partial<PlannedPictures>) =>
    planMemory(options.model ?? fileURLToPath(modelUrl), {
      ...loadOptions(options.model, loading),
      ...pictures,
    });
  const asked = plannedPictures(options, image);
  const plan = await planOf(asked);
  const { hiresScale } = options;
  if (hiresScale === undefined) return plan;
  // The second pass is the larger one, and the model says how large the first is.
  const enlarged = (length: number) => Math.floor(length * hiresScale);
  return planOf({ ...asked, width: enlarged(plan.width), height: enlarged(plan.height) });
}

/** The pictures that memory is planned for: those of the first pass, if there are two. */
function plannedPictures(
  { width, height, images, expand }: PaintOptions,
  image: RgbImage | undefined,
): Partial<PlannedPictures> {
  const { top = 0, right = 0, bottom = 0, left = 0 } = expand ?? {};
  const [wide, high] = [
    width ?? (image && image.width + left + right),
    height ?? (image && image.height + top + bottom),
  ];
  return {
    ...(wide !== undefined && { width: wide }),
    ...(high !== undefined && { height: high }),
    ...(images !== undefined && { pictures: images }),
    fromImage: image !== undefined,
  };
}

/** How pictures are decoded, at the end and after each step. */
function vaeOptions(
  { vae }: Pipeline,
  { options, report }: Loading,
): Pick<PipelineOptions, 'vaeTiling' | 'previewMethod' | 'onStep'> {
  const { preview: path, previewVae } = options;
  const withoutNetwork = latentProjectionOf(vae.config) ? 'projection' : 'vae';
  return {
    vaeTiling: vaeTilings[options.vaeTiling],
    previewMethod: options.previewMethod ?? (previewVae !== undefined ? 'tiny' : withoutNetwork),
    async onStep({ latents: _, preview, ...event }) {
      report.send({ event: 'step', ...event });
      if (path !== undefined) await writePreviews(path, await preview());
    },
  };
}

/** Writes what pictures become over what was there. */
async function writePreviews(path: string, previews: readonly RgbImage[]): Promise<void> {
  for (const [index, preview] of previews.entries())
    await writeWhole(numberedPath(path, index), encodePng(preview));
}

/** Loads a model, the embedded one unless another is given, does with it what is wanted, and frees it. */
async function withPipeline<Result>(
  model: string | undefined,
  loading: Loading,
  use: (pipeline: Pipeline) => Promise<Result>,
): Promise<Result> {
  const pipeline = await loadPipeline(model ?? fileURLToPath(modelUrl), loadOptions(model, loading));
  try {
    return await use(pipeline);
  } finally {
    await pipeline.dispose();
  }
}

/** Where the refiner goes on, unless it is said: so it was trained. */
const usualRefinerStart = 0.8;

/** Lets the refiner finish what the model has begun. */
function refine(
  prompt: string,
  { steps, guidanceScale }: Pick<Made, 'steps' | 'guidanceScale'>,
  { latents, seeds, variationSeeds }: PaintResult,
  loading: Loading,
): Promise<PaintResult> {
  const { options, report, signal } = loading;
  return withPipeline(options.refiner, loading, async (refiner) => {
    for (const message of refiner.notes) report.send({ event: 'note', message });
    return refiner({
      prompt,
      negativePrompt: options.negativePrompt,
      numInferenceSteps: steps,
      guidanceScale,
      image: latents,
      denoisingStart: options.refinerStart ?? usualRefinerStart,
      ...seedOptions(options),
      // Random seeds are drawn once.
      seed: seeds.length === 1 ? seeds[0] : seeds,
      seedPerImage: false,
      variationSeed: variationSeeds?.[0],
      numImagesPerPrompt: options.images,
      scheduler: options.scheduler,
      eta: options.eta,
      truncatePrompt: options.truncatePrompt,
      signal,
      ...vaeOptions(refiner, loading),
    });
  });
}

/** How the noise is drawn. */
const seedOptions = (options: PaintOptions): SeedOptions => ({
  // One seed is for all pictures, several are one for each.
  seed: options.seed?.length === 1 ? options.seed[0] : options.seed,
  seedPerImage: options.seedPerImage,
  rng: options.rng,
  variationSeed: options.variationSeed,
  variationStrength: options.variationStrength,
  seedResizeFrom: options.seedResizeFrom,
  etaNoiseSeedDelta: options.etaNoiseSeedDelta,
});

/**
 * Settings of models of few steps, as the command line names them.
 * @throws {UsageError} if the embedded model was not distilled so
 */
function fewStepOptions({ fewSteps: kind, model }: PaintOptions): Partial<PaintOptions> {
  if (kind === undefined) return {};
  if (model === undefined && kind !== 'lcm') {
    throw new UsageError(
      `--few-steps ${kind} needs --model, a model that was distilled so. The embedded one goes with --few-steps lcm.`,
    );
  }
  const { numInferenceSteps: steps, ...settings } =
    model === undefined ? fewStepDefaults : fewStepSettings[kind];
  return { steps, ...settings };
}

/** An option as it is written on the command line. */
const flagOf = (name: string) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Options that need another, and what that is. */
const needs = [
  ['previewVae', '--preview-vae', 'preview', 'the file to show'],
  ['previewMethod', '--preview-method', 'preview', 'the file to show'],
  ['strength', '--strength', 'image', 'the picture to start from'],
  ['imageGuidanceScale', '--image-guidance-scale', 'image', 'the picture to change'],
  ['mask', '--mask', 'image', 'the picture that is masked'],
  ['maskBlur', '--mask-blur', 'mask', 'white where the picture is painted'],
  ['expand', '--expand', 'image', 'the picture to widen'],
  ['hiresStrength', '--hires-strength', 'hiresScale', 'how much larger the picture becomes'],
  ['hiresSteps', '--hires-steps', 'hiresScale', 'how much larger the picture becomes'],
  ['paddingMaskCrop', '--padding-mask-crop', 'mask', 'white where the picture is painted'],
  ['noiseLevel', '--noise-level', 'image', 'the picture to enlarge'],
  ['to', '--to', 'frames', 'how many pictures there are on the way'],
  ['variationSeed', '--variation-seed', 'variationStrength', 'how much of the second noise there is'],
  ['refinerStart', '--refiner-start', 'refiner', 'the model that finishes the picture'],
] as const satisfies readonly (readonly [keyof PaintOptions, string, keyof PaintOptions, string])[];

/** Options that a picture from a picture has no use for, unless it has a mask. */
const textOnly = ['latents', 'width', 'height', 'hiresScale', 'frames'] as const;

/** Reads the picture to start from, and its mask. @throws {UsageError} if one is not there, or an option does not go with it */
async function readPictures(
  options: PaintOptions,
): Promise<{ image: RgbImage; maskImage?: RgbImage } | undefined> {
  const { image, mask } = options;
  if (image === undefined) return undefined;
  const extra = textOnly.find(
    (name) => options[name] !== undefined && (mask === undefined || (name !== 'width' && name !== 'height')),
  );
  if (extra)
    throw new UsageError(
      `${flagOf(extra)} does not go with --image, which has a size of its own. Leave one of them out.`,
    );
  return {
    image: await readPicture('--image', image),
    ...(mask !== undefined && { maskImage: await readPicture('--mask', mask) }),
  };
}

async function readPicture(flag: string, path: string): Promise<RgbImage> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new UsageError(`${flag}: "${path}" cannot be read. Check the path.`, { cause });
  });
  return decodePng(bytes).image;
}

/** How the noise was drawn, by A1111's names; only what it would not take for granted. */
function seedParameters(
  { rng = 'torch-cpu', variationStrength, seedResizeFrom: from, etaNoiseSeedDelta }: PaintOptions,
  variationSeed: number | bigint | undefined,
): Record<string, string> {
  return {
    ...(variationSeed !== undefined && {
      'Variation seed': `${variationSeed}`,
      'Variation seed strength': `${variationStrength}`,
    }),
    ...(from && { 'Seed resize from': `${from.width}x${from.height}` }),
    ...(etaNoiseSeedDelta && { ENSD: `${etaNoiseSeedDelta}` }),
    RNG: rngNames[rng] ?? rng,
  };
}

/** The size that was painted first, which is the one that A1111 writes. */
function firstSize({ width, height }: RgbImage, { hiresScale = 1 }: PaintOptions, scale: number): string {
  const [first, second] = [width, height].map((length) => Math.ceil(length / scale / hiresScale) * scale);
  return hiresScale === 1 ? `${width}x${height}` : `${first}x${second}`;
}

/** The second pass, by A1111's names. */
function hiresParameters({
  hiresScale,
  hiresStrength = 0.7,
  hiresSteps,
}: PaintOptions): Record<string, string> {
  if (hiresScale === undefined) return {};
  return {
    'Denoising strength': `${hiresStrength}`,
    'Hires upscale': `${hiresScale}`,
    ...(hiresSteps !== undefined && { 'Hires steps': `${hiresSteps}` }),
    'Hires upscaler': 'Latent',
  };
}

/** A1111's names of the generators that it has. */
const rngNames: Partial<Record<RngKind, string>> = { 'torch-cpu': 'CPU', 'torch-cuda': 'NV' };

/** What a picture is made with, beside the options. */
interface Made {
  readonly steps: number;
  readonly guidanceScale: number;
  readonly ownScheduler: string;
  /** Pixels a latent. */
  readonly scale: number;
}

/** What a picture of a walk is of: one of its places, or what is between two. */
function frameOf(
  prompt: string,
  { to = prompt, frames = 1 }: PaintOptions,
  seeds: readonly (number | bigint)[],
  index: number,
): { readonly prompt: string; readonly parameters: Record<string, string> } {
  // Prompts and seeds of the places are as many, but for those that all of them have.
  const position = (index * (seeds.length - 1)) / (frames - 1);
  const place = Math.floor(position);
  const promptAt = (at: number) => (at === 0 ? prompt : to);
  if (position === place) return { prompt: promptAt(place), parameters: { Seed: `${seeds[place]}` } };
  return {
    prompt: promptAt(place),
    parameters: {
      Seed: `${seeds[place]}`,
      ...(to !== prompt && { 'Walk to': promptAt(place + 1) }),
      'Walk to seed': `${seeds[place + 1]}`,
      'Walk position': (position - place).toFixed(3),
    },
  };
}

async function writePictures(
  output: string,
  prompt: string,
  options: PaintOptions,
  made: Made,
  { images, seeds, variationSeeds, strength }: PaintResult,
): Promise<string[]> {
  const files: string[] = [];
  for (const [index, image] of images.entries()) {
    const walk = options.frames === undefined ? undefined : frameOf(prompt, options, seeds, index);
    const parameters = formatGenerationParameters({
      prompt: walk?.prompt ?? prompt,
      negativePrompt: options.negativePrompt ?? '',
      parameters: {
        Steps: `${made.steps}`,
        Sampler: options.scheduler ?? made.ownScheduler,
        'CFG scale': `${made.guidanceScale}`,
        ...(walk?.parameters ?? { Seed: `${seeds[index] ?? seeds[0]}` }),
        Size: firstSize(image, options, made.scale),
        ...(!walk &&
          images.length > seeds.length && { 'Batch size': `${images.length}`, 'Batch pos': `${index}` }),
        ...seedParameters(options, variationSeeds?.[index] ?? variationSeeds?.[0]),
        ...(options.clipSkip !== undefined && { 'Clip skip': `${options.clipSkip + 1}` }),
        ...(strength !== undefined && { 'Denoising strength': `${strength}` }),
        ...(options.imageGuidanceScale !== undefined && {
          'Image CFG scale': `${options.imageGuidanceScale}`,
        }),
        ...hiresParameters(options),
        ...(options.refiner !== undefined && {
          Refiner: basename(resolve(options.refiner)),
          'Refiner switch at': `${options.refinerStart ?? usualRefinerStart}`,
        }),
        ...(options.maskBlur !== undefined && { 'Mask blur': `${options.maskBlur}` }),
        ...(options.paddingMaskCrop !== undefined && {
          'Inpaint area': 'Only masked',
          'Masked area padding': `${options.paddingMaskCrop}`,
        }),
        ...(options.eta !== undefined && { Eta: `${options.eta}` }),
        Model: options.model === undefined ? 'Emulsion default' : basename(resolve(options.model)),
        Version: 'Emulsion',
      },
    });
    const path = numberedPath(output, index);
    await writeWhole(path, encodePng(image, { text: { parameters } }));
    files.push(resolve(path));
  }
  return files;
}
