// Stable Diffusion 1, 2 and XL in one file, in the names of CompVis and Stability AI.
import { UnsupportedFileError } from '../errors.ts';
import type { Folder } from '../folder.ts';
import type { Weights } from '../weight.ts';
import { convertClip } from './clip.ts';
import { type ConvertedComponent, dimOf, withoutPrefix } from './converted-component.ts';
import { convertUnet } from './ldm-unet.ts';
import { convertVae } from './ldm-vae.ts';
import { convertOpenClip } from './open-clip.ts';
import {
  lowResScheduler,
  type PredictionType,
  schedulerConfig,
  upscalerScheduler,
} from './scheduler-config.ts';
import { hasPrefix, type ModelFile, type SingleFileModel, type TokenizerEntry } from './single-file-model.ts';

/** A family of models that come in single files. */
type Family = 'sd1' | 'sd2' | 'sdxl' | 'sdxl-refiner';

/** Where the text encoders of each family are. */
const textPrefixes = {
  sd1: 'cond_stage_model.transformer.',
  sd2: 'cond_stage_model.model.',
  sdxl: 'conditioner.embedders.1.model.',
  'sdxl-refiner': 'conditioner.embedders.0.model.',
} as const satisfies Record<Family, string>;
const unetPrefix = 'model.diffusion_model.';
const vaePrefix = 'first_stage_model.';

/** The tokenizers of each family. */
const tokenizersOf: { readonly [F in Family]: readonly TokenizerEntry[] } = {
  sd1: [['tokenizer', '<|endoftext|>']],
  sd2: [['tokenizer', '!']],
  sdxl: [
    ['tokenizer', '<|endoftext|>'],
    ['tokenizer_2', '!'],
  ],
  'sdxl-refiner': [['tokenizer_2', '!']],
};

/**
 * The model in a file, if it is one of these.
 * @throws {UnsupportedFileError} if it is Playground v2.5, which has the shape of Stable Diffusion XL and is none
 */
export function readStableDiffusionFile(file: ModelFile): SingleFileModel | undefined {
  const { folder, path, weights } = file;
  const family = familyOf(weights);
  if (!family) return undefined;
  if (weights.has('edm_mean') && weights.has('edm_std')) {
    throw new UnsupportedFileError(
      folder,
      path,
      'it is Playground v2.5, whose noise levels (EDM) and latents ("edm_mean", "edm_std") are not those of Stable Diffusion XL, so that its pictures would come out in wrong colours',
      'Give a Stable Diffusion XL, or another model that is made from it.',
    );
  }
  const unet = withoutPrefix(weights, unetPrefix);
  const className = pipelineOf(family, unet);
  const upscales = className === 'StableDiffusionUpscalePipeline';
  const prediction = file.predictionType ?? usualPrediction(family, unet);
  const sampleSize = upscales ? 128 : sampleSizeOf(family, prediction, unet);
  const scheduler = upscales
    ? upscalerScheduler
    : schedulerConfig(family.startsWith('sdxl'), prediction, weights.has('ztsnr'));
  return {
    className,
    components: convertComponents(folder, family, weights, { unet, sampleSize }),
    missing: [],
    optional: [],
    tokenizers: tokenizersOf[family],
    schedulers: { scheduler, ...(upscales && { low_res_scheduler: lowResScheduler }) },
    options: {
      ...(upscales && { max_noise_level: 350 }),
      ...(family === 'sdxl' && { force_zeros_for_empty_prompt: true }),
      ...(family === 'sdxl-refiner' && {
        requires_aesthetics_score: true,
        force_zeros_for_empty_prompt: false,
      }),
    },
  };
}

function familyOf(weights: Weights): Family | undefined {
  if (!hasPrefix(weights, unetPrefix) || !hasPrefix(weights, vaePrefix)) return undefined;
  // The refiner's only encoder stands where the first of the base is.
  return (['sdxl', 'sdxl-refiner', 'sd2', 'sd1'] as const).find((family) =>
    hasPrefix(weights, textPrefixes[family]),
  );
}

function convertComponents(
  folder: Folder,
  family: Family,
  weights: Weights,
  { unet, sampleSize }: { readonly unet: Weights; readonly sampleSize: number },
): Record<string, ConvertedComponent> {
  const xl = family.startsWith('sdxl');
  const text = withoutPrefix(weights, textPrefixes[family]);
  // The upscaler's latents are of another autoencoder.
  const scalingFactor = xl ? 0.13025 : unet.has('label_emb.weight') ? 0.08333 : 0.18215;
  const openClip = () => convertOpenClip(folder, text, { lastLayer: xl });
  return {
    unet: convertUnet(unet, xl ? 'text_time' : 'class', sampleSize),
    vae: convertVae(withoutPrefix(weights, vaePrefix), scalingFactor),
    ...(family === 'sdxl' && {
      text_encoder: convertClip(withoutPrefix(weights, 'conditioner.embedders.0.transformer.')),
    }),
    ...(xl
      ? { text_encoder_2: openClip() }
      : { text_encoder: family === 'sd1' ? convertClip(text) : openClip() }),
  };
}

/** The pipeline of diffusers, which the channels that the U-Net reads tell. */
function pipelineOf(family: Family, unet: Weights): string {
  const channels = dimOf(unet, 'input_blocks.0.0.weight', 1);
  if (family === 'sdxl-refiner') return 'StableDiffusionXLImg2ImgPipeline';
  const name = family === 'sdxl' ? 'StableDiffusionXL' : 'StableDiffusion';
  if (channels === 9) return `${name}InpaintPipeline`;
  if (channels === 8) return `${name}InstructPix2PixPipeline`;
  if (channels === 7) return `${name}UpscalePipeline`;
  if (channels === 5) return `${name}Depth2ImgPipeline`;
  return `${name}Pipeline`;
}

/** What a family predicts without a word: Stable Diffusion 2 velocities, unless it takes more channels. */
function usualPrediction(family: Family, unet: Weights): PredictionType {
  if (family !== 'sd2') return 'epsilon';
  const channels = dimOf(unet, 'input_blocks.0.0.weight', 1);
  return channels === 9 || channels === 5 ? 'epsilon' : 'v_prediction';
}

/**
 * Width and height of the latents that a family was trained on, an eighth of the pictures'. Of Stable Diffusion 2 the models
 * of velocities are the ones that were trained on to 768 pixels; those that take more channels were not.
 */
function sampleSizeOf(family: Family, prediction: PredictionType, unet: Weights): number {
  if (family === 'sdxl' || family === 'sdxl-refiner') return 128;
  const channels = dimOf(unet, 'input_blocks.0.0.weight', 1);
  return family === 'sd2' && prediction === 'v_prediction' && channels === 4 ? 96 : 64;
}

/** The families that predict what their steps of training tell. */
export const stepsTellPrediction = (weights: Weights): boolean => familyOf(weights) === 'sd2';
