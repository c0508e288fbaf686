// `emulsion paint`: a picture from a prompt.
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelDefaults, modelUrl } from '@emulsion/default-model';
import { encodePng, formatGenerationParameters } from '@emulsion/image';
import { loadPipeline, type TextToImageResult } from '@emulsion/pipelines';
import type { DeviceKind } from '@emulsion/runtime';
import { readLatents, writeLatents } from './latents-file.ts';
import { assertWritable, fileNameOf, numberedPath, writeWhole } from './output-files.ts';
import type { Report } from './report.ts';

/** The options of the command, as the command line names them. */
export interface PaintOptions {
  readonly model?: string;
  readonly negativePrompt?: string;
  readonly steps?: number;
  readonly guidanceScale?: number;
  readonly guidanceRescale?: number;
  readonly seed?: bigint;
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
  readonly latents?: string;
  readonly saveLatents?: string;
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
  const output = options.output ?? fileNameOf(prompt);
  await assertWritable('--output', output);
  if (options.saveLatents) await assertWritable('--save-latents', options.saveLatents);
  const latents = options.latents === undefined ? undefined : await readLatents(options.latents);
  const defaults = options.model === undefined ? modelDefaults : usualDefaults;
  const settings = {
    steps: options.steps ?? defaults.numInferenceSteps,
    guidanceScale: options.guidanceScale ?? defaults.guidanceScale,
  };
  const pipeline = await loadPipeline(options.model ?? fileURLToPath(modelUrl), {
    device: options.device,
    dtype: options.dtype,
    signal,
    onProgress: (event) => report.send({ event: 'load', ...event }),
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
      seed: options.seed,
      width: options.width,
      height: options.height,
      numImagesPerPrompt: options.images,
      latents,
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
      seed: `${result.seed}`,
      seconds: (performance.now() - start) / 1000,
    });
  } finally {
    await pipeline.dispose();
  }
}

async function writePictures(
  output: string,
  prompt: string,
  options: PaintOptions,
  { steps, guidanceScale, ownScheduler }: { steps: number; guidanceScale: number; ownScheduler: string },
  { images, seed }: TextToImageResult,
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
        Seed: `${seed}`,
        Size: `${image.width}x${image.height}`,
        ...(images.length > 1 && { 'Batch size': `${images.length}`, 'Batch pos': `${index}` }),
        ...(options.clipSkip !== undefined && { 'Clip skip': `${options.clipSkip + 1}` }),
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
