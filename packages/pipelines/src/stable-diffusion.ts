// Stable Diffusion (Rombach et al. 2022): text to latents with a guided U-Net, latents to a picture.
import { classifierFreeGuidance } from '@emulsion/guidance';
import { imageToTensor, type RgbImage, tensorToImages } from '@emulsion/image';
import type { Cancellable, Device } from '@emulsion/runtime';
import { createScheduler, type Plan, resolveScheduler, type Scheduler } from '@emulsion/schedulers';
import {
  createRng,
  InvalidArgumentError,
  type Rng,
  ShapeError,
  type Tensor,
  type TensorOps,
  tensor,
} from '@emulsion/tensor';
import type { PromptEncoder } from '@emulsion/text-encoder';
import type { Unet } from '@emulsion/unet';
import type { Vae } from '@emulsion/vae';
import { assertFinite } from './assert-finite.ts';
import { runSampler, type StepEvent } from './run-sampler.ts';
import { unetDenoiser } from './unet-denoiser.ts';

/** The parts that a Stable Diffusion pipeline is composed of. */
export interface StableDiffusionParts {
  readonly device: Device;
  readonly promptEncoder: PromptEncoder;
  readonly unet: Unet;
  readonly vae: Vae;
  /** The JSON of the model's scheduler_config.json. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
}

/** A step of a painting. */
export interface PaintStepEvent extends StepEvent {
  /**
   * The pictures as the network expects them now: its estimate x̂₀ of the latents, decoded. It costs a run of the
   * autoencoder each; ask while `onStep` is waited for.
   */
  preview(): Promise<RgbImage[]>;
}

/** What every request for pictures may say. The names and their meaning are those of diffusers. */
export interface PaintOptions extends Cancellable {
  /** What the picture shows; a list gives a picture for each. */
  readonly prompt: string | readonly string[];
  /** What it is led away from; one for all prompts or one for each. Needs a `guidanceScale` other than 1. */
  readonly negativePrompt?: string | readonly string[] | undefined;
  /** Denoising steps, at least 1; 50 unless said otherwise. */
  readonly numInferenceSteps?: number | undefined;
  /** Timesteps or noise levels to visit instead, descending, where the scheduler takes them. */
  readonly timesteps?: readonly number[] | undefined;
  readonly sigmas?: readonly number[] | undefined;
  /** How closely the prompt is followed; 1 is off, 7.5 unless said otherwise. */
  readonly guidanceScale?: number | undefined;
  /** Against overexposure at high scales, 0 to 1; 0 unless said otherwise. */
  readonly guidanceRescale?: number | undefined;
  /** Seed of torch's CPU generator; a random one unless given. 0 is a seed. */
  readonly seed?: number | bigint | undefined;
  readonly numImagesPerPrompt?: number | undefined;
  /** A sampler's name (see the table in @emulsion/schedulers), or the JSON of a scheduler_config.json. */
  readonly scheduler?: string | Readonly<Record<string, unknown>> | undefined;
  /** Amount of noise that a stochastic sampler adds in a step; its meaning is the sampler's. */
  readonly eta?: number | undefined;
  /** How many of the text encoder's last layers are left out for the prompt, not for the negative one; 0 unless said otherwise. */
  readonly clipSkip?: number | undefined;
  /** Cut a prompt that is longer than the text encoder reads, instead of refusing it. */
  readonly truncatePrompt?: boolean | undefined;
  readonly onStep?: ((event: PaintStepEvent) => void | Promise<void>) | undefined;
}

/** Pictures from prompts. */
export interface TextToImageOptions extends PaintOptions {
  /** Pixels; the model's own size unless given. Multiples of the autoencoder's scale, 8 for most. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height/scale, width/scale]`, instead of the seed's. */
  readonly latents?: Tensor | undefined;
}

/** Pictures from a picture and prompts. */
export interface ImageToImageOptions extends PaintOptions {
  /** One picture for all prompts or one for each: bytes, or `[batch, 3, height, width]` in [0, 1]. */
  readonly image: RgbImage | Tensor;
  /** Share of the steps that is taken, above 0 and at most 1; 1 keeps nothing of the picture; 0.8 unless said otherwise. */
  readonly strength?: number | undefined;
}

export interface PaintResult {
  readonly images: RgbImage[];
  /** The pictures before they are rounded to bytes: `[pictures, 3, height, width]` in [0, 1]. */
  readonly pixels: Tensor;
  /** What was decoded, `[pictures, channels, height/scale, width/scale]`. */
  readonly latents: Tensor;
  /** The seed that was used. */
  readonly seed: number | bigint;
}

/** What every task of the pipeline starts with. */
interface Request {
  readonly seed: number | bigint;
  readonly rng: Rng;
  readonly scheduler: Scheduler;
  readonly plan: Plan;
  readonly prompts: readonly string[];
}

function requestOf({ schedulerConfig }: StableDiffusionParts, options: PaintOptions): Request {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const { scheduler: wanted } = options;
  const config = typeof wanted === 'string' ? resolveScheduler(wanted, schedulerConfig) : wanted;
  const scheduler = createScheduler(config ?? schedulerConfig);
  const prompts = listOf(options.prompt);
  if (prompts.length === 0) {
    throw new InvalidArgumentError('prompt: the list is empty. Give at least one prompt.');
  }
  const rng = createRng({ kind: 'torch-cpu', seed });
  return { seed, rng, scheduler, plan: scheduler.plan(planOptions(options)), prompts };
}

/** Denoises from a state on, decodes, and gives the result. */
async function paint(
  parts: StableDiffusionParts,
  options: PaintOptions,
  { seed, rng, scheduler, plan, prompts }: Request,
  start: { readonly sample: Tensor; readonly beginIndex: number },
): Promise<PaintResult> {
  const { device, unet, vae } = parts;
  const { guidanceScale = 7.5, guidanceRescale = 0, signal, onStep, eta } = options;
  const { ops } = device;
  const guidance = { guidanceScale, guidanceRescale, ops };
  const denoiser = classifierFreeGuidance(unetDenoiser(unet, ops, { signal }), guidance);
  const condition = await encodeConditions(parts, options, prompts, guidanceScale !== 1);
  const sampler = scheduler.sample({
    plan,
    ops,
    ...start,
    noise: (dims) => rng.normal(dims),
    ...(eta !== undefined && { eta }),
  });
  const totalSteps = plan.timesteps.length - start.beginIndex;
  const latents = await runSampler(sampler, {
    denoiser,
    condition,
    totalSteps,
    signal,
    onStep: (event, answered) => {
      const preview = async () =>
        tensorToImages(await decode(vae, device, scheduler.denoised({ ...answered, ops }), { signal }));
      return onStep?.({ ...event, preview });
    },
  });
  const pixels = await decode(vae, device, latents, { signal });
  return { images: tensorToImages(pixels), pixels, latents, seed };
}

/** Paints pictures from prompts. @throws the errors of the parts, each with what to do */
export async function textToImage(
  parts: StableDiffusionParts,
  options: TextToImageOptions,
): Promise<PaintResult> {
  const request = requestOf(parts, options);
  const dims = latentDims(parts, options, request.prompts.length);
  const noise = options.latents ?? request.rng.normal(dims);
  assertNoise(noise, dims);
  const sample = parts.device.ops.combine([request.plan.initNoiseSigma, noise]);
  return paint(parts, options, request, { sample, beginIndex: 0 });
}

/**
 * Paints over a picture (Meng et al. 2022, SDEdit): noise is added to its latents, and the last steps take it away.
 * @throws {InvalidArgumentError} if `strength` is not above 0 and at most 1, or leaves no step, and the errors of the
 * parts
 */
export async function imageToImage(
  parts: StableDiffusionParts,
  options: ImageToImageOptions,
): Promise<PaintResult> {
  const { vae, device } = parts;
  const { ops } = device;
  const { strength = 0.8, numImagesPerPrompt = 1, signal } = options;
  const request = requestOf(parts, options);
  const { rng, scheduler, plan, prompts } = request;
  const beginIndex = firstStep(plan, strength, scheduler.evaluationsPerStep);
  const image = 'channels' in options.image ? imageToTensor(options.image) : options.image;
  assertFinite(image, 'image: the picture has', 'Give pixels from 0 to 1.');
  const { mean, logvar } = await vae.encode(ops.affine(image, 2, -1), { signal });
  const deviation = tensor(
    logvar.data.map((value) => Math.exp(value / 2)),
    logvar.dims,
  );
  const z = ops.combine([1, mean], [1, ops.multiply(deviation, rng.normal(mean.dims))]);
  const latents = repeatTo(ops, vae.toLatents(z), prompts.length * numImagesPerPrompt);
  const noise = rng.normal(latents.dims);
  const sample = scheduler.addNoise({ sample: latents, noise, plan, beginIndex, ops });
  return paint(parts, options, request, { sample, beginIndex });
}

/** The first of the plan's timesteps that is visited when only the share `strength` of the steps is taken. */
function firstStep(
  { timesteps, numInferenceSteps }: Plan,
  strength: number,
  evaluationsPerStep: number,
): number {
  if (!(strength > 0 && strength <= 1)) {
    throw new InvalidArgumentError(
      `strength is ${strength}. Give a number above 0 and at most 1; 1 keeps nothing of the picture.`,
    );
  }
  const steps = Math.min(Math.floor(numInferenceSteps * strength), numInferenceSteps);
  const first = (numInferenceSteps - steps) * evaluationsPerStep;
  if (steps === 0 || first >= timesteps.length) {
    throw new InvalidArgumentError(
      `strength is ${strength}, which leaves none of ${numInferenceSteps} steps. Raise strength or numInferenceSteps.`,
    );
  }
  return first;
}

/** As many samples as are wanted, each of the batch as often as the others. */
function repeatTo(ops: TensorOps, x: Tensor, batch: number): Tensor {
  const own = x.dims[0]!;
  if (batch % own !== 0) {
    throw new InvalidArgumentError(
      `image: ${own} pictures came for ${batch}. Give one for all or one for each.`,
    );
  }
  return ops.concat(Array.from({ length: batch / own }, () => x));
}

/** Pictures of latents, one at a time: a decoder's memory grows with its batch. Gives `[batch, 3, height, width]` in [0, 1]. */
async function decode(vae: Vae, { ops }: Device, latents: Tensor, options: Cancellable): Promise<Tensor> {
  const pictures: Tensor[] = [];
  for (let i = 0; i < latents.dims[0]!; i++) {
    const picture = await vae.decode(vae.fromLatents(ops.slice(latents, i, i + 1)), options);
    assertFinite(
      picture,
      'vae: the picture has',
      'The weights of the autoencoder may be damaged, or lack the precision: use its float32 ones.',
    );
    pictures.push(ops.clamp(ops.affine(picture, 0.5, 0.5), 0, 1));
  }
  return ops.concat(pictures);
}

const listOf = (text: string | readonly string[]): readonly string[] =>
  typeof text === 'string' ? [text] : text;

function planOptions({ numInferenceSteps, timesteps, sigmas }: PaintOptions) {
  if (timesteps) return { timesteps };
  if (sigmas) return { sigmas };
  return { numInferenceSteps: numInferenceSteps ?? 50 };
}

/** Dims of the latents of the pictures that are asked for. */
function latentDims(
  { unet, vae }: StableDiffusionParts,
  options: TextToImageOptions,
  prompts: number,
): number[] {
  const { latents, numImagesPerPrompt = 1 } = options;
  const { scale } = vae.config;
  if (!Number.isInteger(numImagesPerPrompt) || numImagesPerPrompt < 1) {
    throw new InvalidArgumentError(
      `numImagesPerPrompt is ${numImagesPerPrompt}. Give an integer of at least 1.`,
    );
  }
  const size = (name: 'height' | 'width', axis: 2 | 3): number => {
    const pixels = options[name] ?? (latents?.dims[axis] ?? unet.config.sampleSize ?? 64) * scale;
    if (!Number.isInteger(pixels) || pixels < scale || pixels % scale !== 0) {
      const nearest = Math.max(Math.round(pixels / scale), 1) * scale;
      const hint = Number.isFinite(nearest) ? ` ${nearest} is the nearest.` : '';
      throw new InvalidArgumentError(
        `${name} is ${pixels}; this model's autoencoder makes multiples of ${scale}.${hint}`,
      );
    }
    return pixels / scale;
  };
  return [prompts * numImagesPerPrompt, unet.config.inChannels, size('height', 2), size('width', 3)];
}

function assertNoise(noise: Tensor, dims: readonly number[]): void {
  if (noise.dims.length !== dims.length || noise.dims.some((dim, axis) => dim !== dims[axis])) {
    throw new ShapeError(
      `latents are [${noise.dims.join(', ')}]; for this model, size and number of pictures they must be [${dims.join(', ')}].`,
    );
  }
  assertFinite(noise, 'latents have', 'Give standard normal noise.');
}

/** The encoded prompts, each as often as pictures are made of it, with their negatives. */
async function encodeConditions(
  parts: StableDiffusionParts,
  options: PaintOptions,
  prompts: readonly string[],
  guided: boolean,
) {
  const { clipSkip, truncatePrompt, signal, numImagesPerPrompt = 1 } = options;
  const negatives = listOf(options.negativePrompt ?? '');
  if (negatives.length !== 1 && negatives.length !== prompts.length) {
    throw new InvalidArgumentError(
      `negativePrompt: ${negatives.length} came for ${prompts.length} prompts. Give one for all or one for each.`,
    );
  }
  const repeat = <Item>(items: readonly Item[], times: number) =>
    items.flatMap((item) => Array.from({ length: times }, () => item));
  const encode = async (texts: readonly string[], skip?: number) => {
    const encoded = await parts.promptEncoder.encode(texts, { clipSkip: skip, truncatePrompt, signal });
    const rows = texts.map((_, row) => parts.device.ops.slice(encoded, row, row + 1));
    return parts.device.ops.concat(repeat(rows, numImagesPerPrompt));
  };
  const positive = await encode(prompts, clipSkip);
  if (!guided) return { positive, negative: positive };
  // diffusers skips layers for the prompt only.
  const negative = await encode(
    negatives.length === prompts.length ? negatives : repeat(negatives, prompts.length),
  );
  return { positive, negative };
}
