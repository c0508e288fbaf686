// `emulsion paint`: a picture from a prompt.
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelDefaults, modelUrl } from '@emulsion/default-model';
import { decodePng, encodePng, formatGenerationParameters, type RgbImage } from '@emulsion/image';
import { loadPipeline, type PaintResult } from '@emulsion/pipelines';
import type { DeviceKind } from '@emulsion/runtime';
import type { RngKind } from '@emulsion/tensor';
import { UsageError } from './errors.ts';
import { readLatents, writeLatents } from './latents-file.ts';
import { assertWritable, fileNameOf, numberedPath, writeWhole } from './output-files.ts';
import type { Report } from './report.ts';

/** The options of the command, as the command line names them. */
export interface PaintOptions {
  readonly model?: string;
  readonly revision?: string;
  readonly offline?: boolean;
  readonly negativePrompt?: string;
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
  readonly device: DeviceKind | 'auto';
  readonly dtype?: 'float32' | 'float16';
  readonly output?: string;
  readonly image?: string;
  readonly strength?: number;
  readonly latents?: string;
  readonly saveLatents?: string;
}

/** A picture's size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Settings for a model that brings none of its own. */
const usualDefaults = { numInferenceSteps: 20, guidanceScale: 7.5 };

/** Paints the pictures and writes them. */
export async function paint(
  prompt: string,
  options: PaintOptions,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  if (options.strength !== undefined && options.image === undefined) {
    throw new UsageError('--strength needs --image, the picture to start from.');
  }
  if (options.revision !== undefined && options.model === undefined) {
    throw new UsageError('--revision needs --model, the name of a model on a hub.');
  }
  const output = options.output ?? fileNameOf(prompt);
  await assertWritable('--output', output);
  if (options.saveLatents) await assertWritable('--save-latents', options.saveLatents);
  const latents = options.latents === undefined ? undefined : await readLatents(options.latents);
  const image = options.image === undefined ? undefined : await readImage(options.image, options);
  const defaults = options.model === undefined ? modelDefaults : usualDefaults;
  const settings = {
    steps: options.steps ?? defaults.numInferenceSteps,
    guidanceScale: options.guidanceScale ?? defaults.guidanceScale,
  };
  const pipeline = await loadPipeline(options.model ?? fileURLToPath(modelUrl), {
    device: options.device,
    dtype: options.dtype,
    revision: options.revision,
    // Unless it is said here, the environment says it.
    localFilesOnly: options.offline,
    signal,
    onProgress: ({ download, ...event }) =>
      report.send(download ? { event: 'download', ...download } : { event: 'load', ...event }),
  });
  try {
    const ownScheduler = String(pipeline.schedulerConfig._class_name);
    for (const message of pipeline.notes) report.send({ event: 'note', message });
    const result = await pipeline({
      prompt,
      negativePrompt: options.negativePrompt,
      numInferenceSteps: settings.steps,
      guidanceScale: settings.guidanceScale,
      guidanceRescale: options.guidanceRescale,
      // One seed is for all pictures, several are one for each.
      seed: options.seed?.length === 1 ? options.seed[0] : options.seed,
      seedPerImage: options.seedPerImage,
      rng: options.rng,
      variationSeed: options.variationSeed,
      variationStrength: options.variationStrength,
      seedResizeFrom: options.seedResizeFrom,
      etaNoiseSeedDelta: options.etaNoiseSeedDelta,
      ...(image
        ? { image, strength: options.strength }
        : { width: options.width, height: options.height, latents }),
      numImagesPerPrompt: options.images,
      scheduler: options.scheduler,
      eta: options.eta,
      clipSkip: options.clipSkip,
      truncatePrompt: options.truncatePrompt,
      signal,
      onStep: ({ latents: _, ...event }) => report.send({ event: 'step', ...event }),
    });
    signal.throwIfAborted();
    const files = await writePictures(output, prompt, options, { ...settings, ownScheduler }, result);
    if (options.saveLatents) await writeLatents(options.saveLatents, result.latents);
    report.send({
      event: 'done',
      files,
      ...(options.saveLatents && { latents: resolve(options.saveLatents) }),
      seed: result.seeds.join(', '),
      seconds: (performance.now() - start) / 1000,
    });
  } finally {
    await pipeline.dispose();
  }
}

/** Options that a picture from a picture has no use for. */
const textOnly = ['width', 'height', 'latents'] as const;

/** Reads the picture to start from. @throws {UsageError} if it is not there, or an option does not go with it */
async function readImage(path: string, options: PaintOptions): Promise<RgbImage> {
  const extra = textOnly.find((name) => options[name] !== undefined);
  if (extra)
    throw new UsageError(
      `--${extra} does not go with --image, which has a size of its own. Leave one of them out.`,
    );
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new UsageError(`--image: "${path}" cannot be read. Check the path.`, { cause });
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

/** A1111's names of the generators that it has. */
const rngNames: Partial<Record<RngKind, string>> = { 'torch-cpu': 'CPU', 'torch-cuda': 'NV' };

async function writePictures(
  output: string,
  prompt: string,
  options: PaintOptions,
  { steps, guidanceScale, ownScheduler }: { steps: number; guidanceScale: number; ownScheduler: string },
  { images, seeds, variationSeeds }: PaintResult,
): Promise<string[]> {
  const files: string[] = [];
  for (const [index, image] of images.entries()) {
    const parameters = formatGenerationParameters({
      prompt,
      negativePrompt: options.negativePrompt ?? '',
      parameters: {
        Steps: `${steps}`,
        Sampler: options.scheduler ?? ownScheduler,
        'CFG scale': `${guidanceScale}`,
        Seed: `${seeds[index] ?? seeds[0]}`,
        Size: `${image.width}x${image.height}`,
        ...(images.length > seeds.length && { 'Batch size': `${images.length}`, 'Batch pos': `${index}` }),
        ...seedParameters(options, variationSeeds?.[index] ?? variationSeeds?.[0]),
        ...(options.clipSkip !== undefined && { 'Clip skip': `${options.clipSkip + 1}` }),
        ...(options.strength !== undefined && { 'Denoising strength': `${options.strength}` }),
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
