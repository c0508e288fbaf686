// What the pipelines of Stable Diffusion 3 and Flux have in common: a flow from noise to latents, along noise levels that
// are shifted for the size of the picture (Esser et al. 2024).
import type { Denoiser } from '@emulsion/guidance';
import { type RgbImage, tensorToImages } from '@emulsion/image';
import type { Cancellable, Device } from '@emulsion/runtime';
import { createScheduler, resolveScheduler } from '@emulsion/schedulers';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import type { TransformerPromptEmbeds, TransformerPromptEncoder } from '@emulsion/text-encoder';
import type { Vae } from '@emulsion/vae';
import { decodeLatents } from './decode-latents.ts';
import { runSampler, type StepEvent } from './run-sampler.ts';
import { createSeededNoise, type Seed, type SeedOptions } from './seeded-noise.ts';
import { assertNoise } from './text-to-image.ts';

/** The parts that both pipelines are composed of, beside the transformer. */
export interface FlowParts {
  readonly device: Device;
  readonly promptEncoder: TransformerPromptEncoder;
  readonly vae: Vae;
  /** The JSON of the model's scheduler_config.json. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
}

/** A request for pictures. The names and their meaning are those of diffusers. */
export interface FlowOptions extends Cancellable, SeedOptions {
  /** What the picture shows; a list gives a picture for each. */
  readonly prompt: string | readonly string[];
  /** Denoising steps, at least 1; 28 unless said otherwise. */
  readonly numInferenceSteps?: number | undefined;
  /** How closely the prompt is followed. */
  readonly guidanceScale?: number | undefined;
  /** Pixels; 1024 unless given. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Tokens that T5 reads of a prompt. */
  readonly maxSequenceLength?: number | undefined;
  /** Cut a prompt that is longer, instead of refusing it. */
  readonly truncatePrompt?: boolean | undefined;
  /** A sampler's name (see the table in @emulsion/schedulers), or the JSON of a scheduler_config.json. */
  readonly scheduler?: string | Readonly<Record<string, unknown>> | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height/scale, width/scale]`, instead of the seed's. */
  readonly latents?: Tensor | undefined;
  readonly onStep?: ((event: StepEvent) => void | Promise<void>) | undefined;
}

export interface FlowResult {
  readonly images: RgbImage[];
  /** The pictures before they are rounded to bytes: `[pictures, 3, height, width]` in [0, 1]. */
  readonly pixels: Tensor;
  /** What was decoded, `[pictures, channels, height/scale, width/scale]`. */
  readonly latents: Tensor;
  /** One for each picture, or a single one that all were drawn with. */
  readonly seeds: readonly Seed[];
}

/** How one of the two asks its transformer. */
export interface FlowModel<Condition> {
  readonly denoiser: Denoiser<Condition>;
  readonly condition: Condition;
  readonly pictures: number;
  /** Tokens of a picture are patches of as many by as many pixels of latents. */
  readonly patchSize: number;
  /** Noise levels before they are shifted; the scheduler's own unless given. */
  readonly sigmas?: readonly number[] | undefined;
}

/**
 * Paints pictures.
 * @throws {InvalidArgumentError} if the size makes no whole patches, and the errors of the parts
 */
export async function paintFlow<Condition>(
  { device, vae, schedulerConfig }: FlowParts,
  options: FlowOptions,
  { denoiser, condition, pictures, patchSize, sigmas }: FlowModel<Condition>,
): Promise<FlowResult> {
  const { ops } = device;
  const { scheduler: wanted, numInferenceSteps = 28, signal, onStep } = options;
  const config =
    (typeof wanted === 'string' ? resolveScheduler(wanted, schedulerConfig) : wanted) ?? schedulerConfig;
  const dims = latentDims(vae, options, pictures, patchSize);
  const [, , height = 0, width = 0] = dims;
  const scheduler = createScheduler(config);
  const plan = scheduler.plan({
    ...(sigmas ? { sigmas } : { numInferenceSteps }),
    ...(config.use_dynamic_shifting === true && { mu: shiftOf(config, (height * width) / patchSize ** 2) }),
  });
  const noise = createSeededNoise(options, pictures, ops);
  const start = options.latents ?? noise.start(dims, vae.config.scale);
  assertNoise(start, dims);
  const sampler = scheduler.sample({
    plan,
    ops,
    sample: ops.combine([plan.initNoiseSigma, start]),
    noise: (like) => noise.step(like),
  });
  const latents = await runSampler(sampler, { denoiser, condition, plan, signal, onStep });
  const pixels = await decodeLatents({ vae, device }, latents, { signal });
  return { images: tensorToImages(pixels), pixels, latents, seeds: noise.seeds };
}

/** The shift for a picture of so many tokens: linear between two sizes that the config names. */
function shiftOf(config: Readonly<Record<string, unknown>>, tokens: number): number {
  const number = (key: string, missing: number) => {
    const value = config[key] ?? missing;
    if (typeof value === 'number') return value;
    throw new InvalidArgumentError(`scheduler: "${key}" is ${JSON.stringify(value)}. Give a number.`);
  };
  const [least, most] = [number('base_image_seq_len', 256), number('max_image_seq_len', 4096)];
  const [base, max] = [number('base_shift', 0.5), number('max_shift', 1.15)];
  return base + ((max - base) * (tokens - least)) / (most - least);
}

function latentDims(vae: Vae, options: FlowOptions, pictures: number, patchSize: number): number[] {
  const { scale, latentChannels } = vae.config;
  const { latents } = options;
  const size = (name: 'height' | 'width', axis: 2 | 3) => {
    const given = latents?.dims[axis];
    const pixels = options[name] ?? (given === undefined ? 1024 : given * scale);
    const multiple = scale * patchSize;
    if (Number.isInteger(pixels) && pixels >= multiple && pixels % multiple === 0) return pixels / scale;
    throw new InvalidArgumentError(`${name} is ${pixels}. Give a multiple of ${multiple}, in pixels.`);
  };
  return [pictures, latentChannels, size('height', 2), size('width', 3)];
}

/** The prompts of a request as a list. */
export const promptsOf = (prompt: string | readonly string[]): readonly string[] =>
  typeof prompt === 'string' ? [prompt] : prompt;

/** What a transformer is told of the prompts. */
export type FlowCondition = TransformerPromptEmbeds;
