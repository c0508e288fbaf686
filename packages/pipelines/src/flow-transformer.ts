// What the pipelines of Stable Diffusion 3 and Flux have in common: a flow from noise to latents, along noise levels that
// are shifted for the size of the picture (Esser et al. 2024).
import type { RgbImage } from '@emulsion/image';
import type { Cancellable, Device } from '@emulsion/runtime';
import type { Plan, PlanOptions } from '@emulsion/schedulers';
import { InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';
import type {
  T5EncodePromptOptions,
  TransformerPromptEmbeds,
  TransformerPromptEncoder,
} from '@emulsion/text-encoder';
import type { Vae } from '@emulsion/vae';
import { alignTexts, spreadRows } from './encode-conditions.ts';
import { encodePicture, pixelsOf, repeatTo } from './encode-picture.ts';
import { type Canvas, type CanvasOptions, canvasOf, onCanvas } from './inpaint-canvas.ts';
import { spreadChannels } from './mask.ts';
import type { PipelineMemory } from './memory.ts';
import { type OutpaintOptions, widen } from './outpaint.ts';
import { paint, type Subject } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { type PaintRequest, paintRequest, schedulerConfigOf } from './paint-request.ts';
import type { SeedOptions } from './seeded-noise.ts';
import { assertStrength } from './strength.ts';
import { assertNoise } from './text-to-image.ts';

/** The parts that both pipelines are composed of, beside the transformer. */
export interface FlowParts {
  readonly device: Device;
  readonly promptEncoder: TransformerPromptEncoder;
  readonly vae: Vae;
  /** A tiny autoencoder for previews. */
  readonly previewVae?: Vae | undefined;
  /** What keeps them within their memory; without it all that is loaded stays. */
  readonly memory?: PipelineMemory | undefined;
  /** The JSON of the model's scheduler_config.json. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
}

/** Options that have the same meaning for all pipelines. */
type SharedOption =
  | 'prompt'
  | 'prompt2'
  | 'negativePrompt'
  | 'negativePrompt2'
  | 'numInferenceSteps'
  | 'timesteps'
  | 'sigmas'
  | 'guidanceScale'
  | 'numImagesPerPrompt'
  | 'scheduler'
  | 'truncatePrompt'
  | 'vaeTiling'
  | 'previewMethod'
  | 'onStep';

/** A request for pictures. The names and their meaning are those of diffusers. */
export interface FlowOptions
  extends Cancellable,
    SeedOptions,
    Pick<PaintOptions, SharedOption>,
    Pick<CanvasOptions, 'maskBlur' | 'paddingMaskCrop'>,
    Pick<Partial<OutpaintOptions>, 'expand' | 'overlap'> {
  /** Pixels; with a mask of any size, else those of `image`, or else the model's own, 1024 for all that are published, unless given. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Tokens that T5 reads of a prompt. */
  readonly maxSequenceLength?: number | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height/scale, width/scale]`, instead of the seed's. */
  readonly latents?: Tensor | undefined;
  /** A picture to paint over, one for all prompts or one for each: bytes, `[batch, 3, height, width]` in [0, 1], or its latents. */
  readonly image?: RgbImage | Tensor | undefined;
  /** White, or 1, where the picture is painted anew: bytes of the picture's size, or `[batch, 1, height, width]` in [0, 1]. */
  readonly maskImage?: RgbImage | Tensor | undefined;
  /** Share of the steps that is taken over a picture, above 0 and at most 1; 0.6 unless said otherwise. */
  readonly strength?: number | undefined;
}

/** How one of the two asks its transformer. */
export interface FlowModel<Condition> {
  /** Tokens of a picture are patches of as many by as many pixels of latents. */
  readonly patchSize: number;
  /** Height and width of the latents that are painted unless others are asked for. */
  readonly sampleSize: number;
  /** Noise levels before they are shifted; the scheduler's own unless given. */
  readonly sigmas?: readonly number[] | undefined;
  /** The transformer, and the prompts that it is asked about. */
  subject(request: PaintRequest): Promise<Subject<Condition>>;
}

/**
 * Paints pictures, from noise, over a picture, or where one is masked: there as with a U-Net that was not trained for it.
 * @throws {InvalidArgumentError} if the size makes no whole patches, `strength` makes no sense or a mask does not go with
 * the picture, and the errors of the parts
 */
export async function paintFlow<Condition>(
  parts: FlowParts,
  options: FlowOptions,
  { patchSize, sampleSize, sigmas, subject }: FlowModel<Condition>,
): Promise<PaintResult> {
  const { device, vae } = parts;
  const { ops } = device;
  const { latents, numInferenceSteps = 28, strength = 0.6, signal } = options;
  const canvas = flowCanvas(ops, options);
  const image = canvas?.image ?? (options.image && pixelsOf(options.image));
  const size = latentSize(vae, options, image, { patchSize, sampleSize });
  const request = await paintRequest(
    parts,
    { ...options, numInferenceSteps, sigmas: options.sigmas ?? sigmas },
    shift(schedulerConfigOf(parts, options), (size[0] * size[1]) / patchSize ** 2),
  );
  const { pictures, noise, scheduler, plan } = request;
  const dims = [pictures, vae.config.latentChannels, ...size];
  const beginIndex = image ? firstStep(plan, strength, scheduler.evaluationsPerStep) : 0;
  const clean = image && (await encodePicture(parts, image, { pictures, noise, signal }));
  const start = latents ?? noise.start(dims, vae.config.scale);
  assertNoise(start, dims);
  // diffusers encodes the masked picture too, for networks that see it.
  if (canvas) noise.draw([noise.perImage ? pictures : canvas.image.dims[0]!, ...dims.slice(1)]);
  const latentMask = canvas && repeatTo(ops, ops.interpolate(canvas.mask, ...size, 'nearest'), pictures);
  const known =
    clean && latentMask
      ? { original: clean, noise: start, mask: spreadChannels(latentMask, dims[1]!) }
      : undefined;
  const sample = clean
    ? scheduler.addNoise({ sample: clean, noise: start, plan, beginIndex, ops })
    : ops.combine([plan.initNoiseSigma, start]);
  const result = await paint(parts, options, request, await subject(request), { sample, beginIndex, known });
  if (!image) return result;
  return { ...(canvas ? onCanvas(ops, canvas, result) : result), strength };
}

/** What is painted of a picture of which a part is masked, or that is widened. */
function flowCanvas(ops: TensorOps, options: FlowOptions): Canvas | undefined {
  const { expand, maskImage } = options;
  const image = options.image!; // both see to it
  if (expand) return canvasOf(ops, { ...options, ...widen({ ...options, image, expand }) });
  return maskImage && canvasOf(ops, { ...options, image, maskImage });
}

/** As `firstStep` of the other pipelines, but a step that `strength` takes a part of is taken: so diffusers counts here. */
function firstStep({ numInferenceSteps }: Plan, strength: number, evaluationsPerStep: number): number {
  assertStrength(strength);
  return Math.floor(numInferenceSteps - numInferenceSteps * strength) * evaluationsPerStep;
}

/** The shift for a picture of so many tokens, where the scheduler wants one: linear between two sizes that it names. */
function shift(config: Readonly<Record<string, unknown>>, tokens: number): PlanOptions {
  if (config.use_dynamic_shifting !== true) return {};
  const number = (key: string, missing: number) => {
    const value = config[key] ?? missing;
    if (typeof value === 'number') return value;
    throw new InvalidArgumentError(`scheduler: "${key}" is ${JSON.stringify(value)}. Give a number.`);
  };
  const [least, most] = [number('base_image_seq_len', 256), number('max_image_seq_len', 4096)];
  const [base, max] = [number('base_shift', 0.5), number('max_shift', 1.15)];
  return { mu: base + ((max - base) * (tokens - least)) / (most - least) };
}

/** Height and width of the latents. */
function latentSize(
  { config }: Vae,
  options: FlowOptions,
  image: Tensor | undefined,
  { patchSize, sampleSize }: Pick<FlowModel<unknown>, 'patchSize' | 'sampleSize'>,
): [height: number, width: number] {
  const { scale, latentChannels } = config;
  const latents = image?.dims[1] === latentChannels ? image : options.latents;
  const size = (name: 'height' | 'width', axis: 2 | 3) => {
    const given = latents ? latents.dims[axis]! * scale : image?.dims[axis];
    const pixels = options[name] ?? given ?? sampleSize * scale;
    const multiple = scale * patchSize;
    if (image && given !== pixels) {
      throw new InvalidArgumentError(
        `${name} is ${pixels}, and that of the picture ${given}. Resize the picture, or leave ${name} out.`,
      );
    }
    if (Number.isInteger(pixels) && pixels >= multiple && pixels % multiple === 0) return pixels / scale;
    throw new InvalidArgumentError(`${name} is ${pixels}. Give a multiple of ${multiple}, in pixels.`);
  };
  return [size('height', 2), size('width', 3)];
}

/** Texts for each of the encoders, in their order; the second and the third read the first one unless given. */
type EncoderTexts = readonly [
  texts: readonly string[],
  second: string | readonly string[] | undefined,
  third: string | readonly string[] | undefined,
];

/**
 * What a transformer is told of texts, a row for each picture.
 * @param name what messages call the texts
 * @throws {InvalidArgumentError} if there are other than one or all, and the errors of the prompt encoder
 */
export async function encodeTexts(
  { promptEncoder, device: { ops } }: Pick<FlowParts, 'promptEncoder' | 'device'>,
  name: 'prompt' | 'negativePrompt',
  [texts, second, third]: EncoderTexts,
  { prompts, pictures }: PaintRequest,
  options: T5EncodePromptOptions,
): Promise<TransformerPromptEmbeds> {
  const aligned = alignTexts({ [name]: texts, [`${name}2`]: second, [`${name}3`]: third }, prompts.length);
  const encoded = await promptEncoder.encode(aligned[0]!, {
    ...options,
    prompts2: aligned[1],
    prompts3: aligned[2],
  });
  return {
    promptEmbeds: spreadRows(ops, encoded.promptEmbeds, pictures),
    pooledPromptEmbeds: spreadRows(ops, encoded.pooledPromptEmbeds, pictures),
  };
}
