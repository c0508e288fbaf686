// Stable Diffusion (Rombach et al. 2022): text to latents with a guided U-Net, latents to a picture.
import { classifierFreeGuidance } from '@emulsion/guidance';
import { type RgbImage, tensorToImages } from '@emulsion/image';
import type { Cancellable, Device } from '@emulsion/runtime';
import { createScheduler, resolveScheduler, type Scheduler } from '@emulsion/schedulers';
import { createRng, InvalidArgumentError, ShapeError, type Tensor } from '@emulsion/tensor';
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

/** A request for pictures. The names and their meaning are those of diffusers. */
export interface TextToImageOptions extends Cancellable {
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
  /** Pixels; the model's own size unless given. Multiples of the autoencoder's scale, 8 for most. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly numImagesPerPrompt?: number | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height/scale, width/scale]`, instead of the seed's. */
  readonly latents?: Tensor | undefined;
  /** A sampler's name (see the table in @emulsion/schedulers), or the JSON of a scheduler_config.json. */
  readonly scheduler?: string | Readonly<Record<string, unknown>> | undefined;
  /** Amount of noise that a stochastic sampler adds in a step; its meaning is the sampler's. */
  readonly eta?: number | undefined;
  /** How many of the text encoder's last layers are left out for the prompt, not for the negative one; 0 unless said otherwise. */
  readonly clipSkip?: number | undefined;
  /** Cut a prompt that is longer than the text encoder reads, instead of refusing it. */
  readonly truncatePrompt?: boolean | undefined;
  readonly onStep?: ((event: StepEvent) => void | Promise<void>) | undefined;
}

export interface TextToImageResult {
  readonly images: RgbImage[];
  /** The pictures before they are rounded to bytes: `[pictures, 3, height, width]` in [0, 1]. */
  readonly pixels: Tensor;
  /** What was decoded, `[pictures, channels, height/scale, width/scale]`. */
  readonly latents: Tensor;
  /** The seed that was used. */
  readonly seed: number | bigint;
}

/** Paints pictures from prompts. @throws the errors of the parts, each with what to do */
export async function textToImage(
  parts: StableDiffusionParts,
  options: TextToImageOptions,
): Promise<TextToImageResult> {
  const { device, unet, vae } = parts;
  const { guidanceScale = 7.5, guidanceRescale = 0, signal, onStep, eta } = options;
  const { ops } = device;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const rng = createRng({ kind: 'torch-cpu', seed });
  const scheduler = schedulerOf(parts.schedulerConfig, options.scheduler);
  const plan = scheduler.plan(planOptions(options));
  const prompts = listOf(options.prompt);
  const dims = latentDims(parts, options, prompts.length);
  const denoiser = classifierFreeGuidance(unetDenoiser(unet, ops, { signal }), {
    guidanceScale,
    guidanceRescale,
    ops,
  });

  const noise = options.latents ?? rng.normal(dims);
  assertNoise(noise, dims);
  const condition = await encodeConditions(parts, options, prompts, guidanceScale !== 1);
  const sampler = scheduler.sample({
    plan,
    ops,
    sample: ops.combine([plan.initNoiseSigma, noise]),
    noise: (noiseDims) => rng.normal(noiseDims),
    ...(eta !== undefined && { eta }),
  });
  const latents = await runSampler(sampler, {
    denoiser,
    condition,
    totalSteps: plan.timesteps.length,
    onStep,
    signal,
  });
  const pixels = await decode(vae, device, latents, { signal });
  return { images: tensorToImages(pixels), pixels, latents, seed };
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

function schedulerOf(
  own: Readonly<Record<string, unknown>>,
  wanted: TextToImageOptions['scheduler'],
): Scheduler {
  return createScheduler(typeof wanted === 'string' ? resolveScheduler(wanted, own) : (wanted ?? own));
}

function planOptions({ numInferenceSteps, timesteps, sigmas }: TextToImageOptions) {
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
  if (prompts === 0) throw new InvalidArgumentError('prompt: the list is empty. Give at least one prompt.');
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
  options: TextToImageOptions,
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
