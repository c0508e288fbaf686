// The pipelines of diffusers by the class that a model_index.json names: what they consist of and what they do.
import { InvalidArgumentError } from '@emulsion/tensor';
import { assertNone } from './assert-none.ts';
import { defaultsFor } from './few-step-settings.ts';
import type { HighResolutionOptions } from './high-resolution.ts';
import { type ImageToImageOptions, imageToImage } from './image-to-image.ts';
import type { InpaintOptions } from './inpaint.ts';
import type { InstructPix2PixOptions } from './instruct-pix2pix.ts';
import type { InterpolateOptions } from './interpolate.ts';
import { latentConsistencyImageToImage } from './latent-consistency.ts';
import type { OutpaintOptions } from './outpaint.ts';
import type { PaintResult } from './paint-options.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { type TextToImageOptions, textToImage } from './text-to-image.ts';
import type { TransformerRequest } from './transformer-classes.ts';
import type { UpscaleOptions } from './upscale.ts';

// Pages download tasks beside these two when they are asked for.
const inpaint = async (parts: StableDiffusionParts, options: InpaintOptions) =>
  (await import('./inpaint.ts')).inpaint(parts, options);
const instructPix2Pix = async (parts: StableDiffusionParts, options: InstructPix2PixOptions) =>
  (await import('./instruct-pix2pix.ts')).instructPix2Pix(parts, options);
const outpaint = async (parts: StableDiffusionParts, options: OutpaintOptions) =>
  (await import('./outpaint.ts')).outpaint(parts, options);
const highResolution = async (parts: StableDiffusionParts, options: HighResolutionOptions) =>
  (await import('./high-resolution.ts')).highResolution(parts, options);
const interpolate = async (parts: StableDiffusionParts, options: InterpolateOptions) =>
  (await import('./interpolate.ts')).interpolate(parts, options);
const upscale = async (parts: StableDiffusionParts, options: UpscaleOptions) =>
  (await import('./upscale.ts')).upscale(parts, options);

/** What a pipeline may be asked: which task it is follows from the pictures that are given. */
export type PipelineRequest = StableDiffusionRequest | TransformerRequest;

/** What a pipeline with a U-Net may be asked. */
export type StableDiffusionRequest =
  | TextToImageOptions
  | HighResolutionOptions
  | ImageToImageOptions
  | InpaintOptions
  | OutpaintOptions
  | InstructPix2PixOptions
  | InterpolateOptions
  | UpscaleOptions;

type Task<Options> = (parts: StableDiffusionParts, options: Options) => Promise<PaintResult>;

/** What XL's networks are told of a picture's size. */
export const sizeConditions = [
  'originalSize',
  'cropsCoordsTopLeft',
  'targetSize',
  'negativeOriginalSize',
  'negativeCropsCoordsTopLeft',
  'negativeTargetSize',
];
/** What requests of models with a transformer may say. */
const transformerSettings = ['prompt3', 'negativePrompt3', 'maxSequenceLength', 'trueCfgScale'];

/** What is taken for a setting that a request leaves out. */
export interface PipelineDefaults {
  readonly numInferenceSteps: number;
  readonly guidanceScale: number;
  /** Over a picture, where it is not 0.8. */
  readonly strength?: number;
}

/** What a class of pipelines consists of. */
export interface ClassDescription {
  /** The components, and the classes they may be of. */
  readonly components: Readonly<Record<string, readonly string[]>>;
  /** Those that a model may do without. */
  readonly optional?: readonly string[];
  readonly defaults: PipelineDefaults;
}

/** A class of pipelines with a U-Net. */
export interface PipelineClass extends ClassDescription {
  /** What it does with prompts alone, with a picture, and with a picture and a mask. */
  readonly fromText?: Task<TextToImageOptions>;
  readonly fromImage: Task<ImageToImageOptions>;
  readonly fromMask?: Task<InpaintOptions>;
}

const clipTokenizers = ['CLIPTokenizer', 'CLIPTokenizerFast'];
const components = {
  tokenizer: clipTokenizers,
  text_encoder: ['CLIPTextModel'],
  unet: ['UNet2DConditionModel'],
  vae: ['AutoencoderKL', 'AutoencoderTiny'],
};

const stableDiffusion: PipelineClass = {
  components,
  defaults: { numInferenceSteps: 50, guidanceScale: 7.5 },
  fromText: textToImage,
  fromImage: imageToImage,
  fromMask: inpaint,
};

const stableDiffusionXl: PipelineClass = {
  ...stableDiffusion,
  components: { ...components, tokenizer_2: clipTokenizers, text_encoder_2: ['CLIPTextModelWithProjection'] },
  defaults: { numInferenceSteps: 50, guidanceScale: 5, strength: 0.3 },
};

/** The refiner has the second text encoder alone. */
const stableDiffusionXlImageToImage: PipelineClass = {
  ...stableDiffusionXl,
  optional: ['tokenizer', 'text_encoder'],
};

const latentConsistency: PipelineClass = {
  ...stableDiffusion,
  defaults: { numInferenceSteps: 4, guidanceScale: 8.5 },
  fromImage: latentConsistencyImageToImage,
};

/** With components more: ControlNets, one or several. */
const controlled = (pipelineClass: PipelineClass): PipelineClass => ({
  ...pipelineClass,
  components: { ...pipelineClass.components, controlnet: ['ControlNetModel', 'MultiControlNetModel'] },
});

/** With components more: T2I-Adapters, one or several. */
const led = (pipelineClass: PipelineClass): PipelineClass => ({
  ...pipelineClass,
  components: { ...pipelineClass.components, adapter: ['T2IAdapter', 'MultiAdapter'] },
});

/** The classes that there are pipelines for. */
export const pipelineClasses: ReadonlyMap<string, PipelineClass> = new Map([
  ['StableDiffusionPipeline', stableDiffusion],
  ['StableDiffusionImg2ImgPipeline', stableDiffusion],
  ['StableDiffusionInpaintPipeline', stableDiffusion],
  ['StableDiffusionXLPipeline', stableDiffusionXl],
  ['StableDiffusionXLImg2ImgPipeline', stableDiffusionXlImageToImage],
  ['StableDiffusionXLInpaintPipeline', stableDiffusionXl],
  ['LatentConsistencyModelPipeline', latentConsistency],
  ['LatentConsistencyModelImg2ImgPipeline', latentConsistency],
  ['StableDiffusionControlNetPipeline', controlled(stableDiffusion)],
  ['StableDiffusionControlNetImg2ImgPipeline', controlled(stableDiffusion)],
  ['StableDiffusionControlNetInpaintPipeline', controlled(stableDiffusion)],
  ['StableDiffusionXLControlNetPipeline', controlled(stableDiffusionXl)],
  ['StableDiffusionXLControlNetImg2ImgPipeline', controlled(stableDiffusionXl)],
  ['StableDiffusionXLControlNetInpaintPipeline', controlled(stableDiffusionXl)],
  ['StableDiffusionAdapterPipeline', led(stableDiffusion)],
  ['StableDiffusionXLAdapterPipeline', led(stableDiffusionXl)],
  [
    'StableDiffusionInstructPix2PixPipeline',
    { components, defaults: { numInferenceSteps: 100, guidanceScale: 7.5 }, fromImage: instructPix2Pix },
  ],
  [
    'StableDiffusionXLInstructPix2PixPipeline',
    {
      components: stableDiffusionXl.components,
      defaults: { numInferenceSteps: 100, guidanceScale: 5 },
      fromImage: instructPix2Pix,
    },
  ],
  [
    'StableDiffusionUpscalePipeline',
    {
      components: { ...components, low_res_scheduler: ['DDPMScheduler', 'DDIMScheduler'] },
      defaults: { numInferenceSteps: 75, guidanceScale: 9 },
      fromImage: upscale,
    },
  ],
]);

/** Settings that a model with a U-Net has no use for. */
const foreignTo = ({ promptEncoder }: StableDiffusionParts, fromImage: PipelineClass['fromImage']) => [
  ...transformerSettings,
  ...('encoders' in promptEncoder ? [] : ['prompt2', 'negativePrompt2', ...sizeConditions]),
  ...(fromImage === instructPix2Pix ? [] : ['imageGuidanceScale']),
  ...(fromImage === upscale ? [] : ['noiseLevel']),
];

const isGiven = (request: object, name: string): boolean =>
  name in request && request[name as keyof typeof request] !== undefined;

/**
 * Does what is asked with the task of a class.
 * @throws {InvalidArgumentError} if the class has no task for the pictures that are given, and the errors of the tasks
 */
export async function paintAs(
  { defaults: usual, fromText, fromImage, fromMask }: PipelineClass,
  parts: StableDiffusionParts,
  request: StableDiffusionRequest,
): Promise<PaintResult> {
  assertNone(request, foreignTo(parts, fromImage), 'this model does');
  const defaults = defaultsFor(usual, parts);
  const settings = {
    numInferenceSteps: request.numInferenceSteps ?? defaults.numInferenceSteps,
    guidanceScale: request.guidanceScale ?? defaults.guidanceScale,
  };
  if (fromMask && 'expand' in request && request.expand) return outpaint(parts, { ...request, ...settings });
  if ('maskImage' in request && request.maskImage) {
    if (fromMask) return fromMask(parts, { ...request, ...settings });
    throw new InvalidArgumentError('maskImage: this pipeline takes no mask. Leave it out.');
  }
  if ('image' in request && request.image) {
    if (isGiven(request, 'width') || isGiven(request, 'height')) {
      throw new InvalidArgumentError(
        'width, height: a picture is painted over in its own size. Leave them out, or give the picture in the size that is wanted.',
      );
    }
    const strength = ('strength' in request ? request.strength : undefined) ?? defaults.strength;
    return fromImage(parts, { ...request, ...settings, strength });
  }
  if (fromText && isGiven(request, 'hiresScale') && isGiven(request, 'frames')) {
    throw new InvalidArgumentError(
      'hiresScale, frames: the pictures of a walk are not painted larger a second time. Leave one of them out.',
    );
  }
  if (fromText && 'hiresScale' in request && request.hiresScale !== undefined) {
    return highResolution(parts, { ...request, ...settings });
  }
  if (fromText && 'frames' in request && request.frames !== undefined) {
    return interpolate(parts, { ...request, ...settings });
  }
  if (fromText) return fromText(parts, { ...request, ...settings });
  throw new InvalidArgumentError('image: this pipeline changes a picture. Give one.');
}
