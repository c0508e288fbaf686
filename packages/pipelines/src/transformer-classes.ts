// The pipelines of diffusers whose network is a transformer, by the class that a model_index.json names.
import type { Folder } from '@emulsion/checkpoints';
import type { LoadOptions } from '@emulsion/transformer';
import { assertNone } from './assert-none.ts';
import type { FluxOptions, FluxParts } from './flux.ts';
import type { LoadPart } from './load-part.ts';
import type { PaintResult } from './paint-options.ts';
import { type ClassDescription, sizeConditions } from './pipeline-classes.ts';
import type { StableDiffusion3Options, StableDiffusion3Parts } from './stable-diffusion-3.ts';

/** What such a pipeline may be asked: to paint from prompts, over an `image`, or where a `maskImage` says or it is widened. */
export type TransformerRequest = StableDiffusion3Options | FluxOptions;

/** A model that is loaded, and what paints with it. */
export interface LoadedTransformer {
  readonly parts: StableDiffusion3Parts | FluxParts;
  paint(request: TransformerRequest): Promise<PaintResult>;
}

/** A class of pipelines whose network is a transformer. */
export interface TransformerClass extends ClassDescription {
  load(model: Folder, options: LoadOptions, part: LoadPart): Promise<LoadedTransformer>;
}

const clipTokenizers = ['CLIPTokenizer', 'CLIPTokenizerFast'];
const t5 = { tokenizer: ['T5Tokenizer', 'T5TokenizerFast'], encoder: ['T5EncoderModel'] };
const vae = ['AutoencoderKL', 'AutoencoderTiny'];

// Pages download what follows when they meet such a model.
const stableDiffusion3: TransformerClass = {
  components: {
    tokenizer: clipTokenizers,
    text_encoder: ['CLIPTextModelWithProjection'],
    tokenizer_2: clipTokenizers,
    text_encoder_2: ['CLIPTextModelWithProjection'],
    tokenizer_3: t5.tokenizer,
    text_encoder_3: t5.encoder,
    transformer: ['SD3Transformer2DModel'],
    vae,
  },
  optional: ['tokenizer_3', 'text_encoder_3'],
  defaults: { numInferenceSteps: 28, guidanceScale: 7 },
  async load(model, options, part) {
    const { loadStableDiffusion3, stableDiffusion3 } = await import('./stable-diffusion-3.ts');
    const parts = await loadStableDiffusion3(model, options, part);
    return {
      parts,
      async paint(request) {
        assertNone(request, ['trueCfgScale'], 'Stable Diffusion 3 does');
        return stableDiffusion3(parts, request);
      },
    };
  },
};

const flux: TransformerClass = {
  components: {
    tokenizer: clipTokenizers,
    text_encoder: ['CLIPTextModel'],
    tokenizer_2: t5.tokenizer,
    text_encoder_2: t5.encoder,
    transformer: ['FluxTransformer2DModel'],
    vae,
  },
  defaults: { numInferenceSteps: 28, guidanceScale: 3.5 },
  async load(model, options, part) {
    const { flux, loadFlux } = await import('./flux.ts');
    const parts = await loadFlux(model, options, part);
    return {
      parts,
      async paint(request) {
        assertNone(request, foreignToFlux, 'Flux does');
        return flux(parts, request);
      },
    };
  },
};

/** The classes that there are pipelines for. */
export const transformerClasses: ReadonlyMap<string, TransformerClass> = new Map([
  ['StableDiffusion3Pipeline', stableDiffusion3],
  ['StableDiffusion3Img2ImgPipeline', stableDiffusion3],
  ['StableDiffusion3InpaintPipeline', stableDiffusion3],
  ['FluxPipeline', flux],
  ['FluxImg2ImgPipeline', flux],
  ['FluxInpaintPipeline', flux],
]);

/** What requests of other pipelines may say, and these have no use for. */
const foreign = [
  'hiresScale',
  'frames',
  'controlImage',
  'imageGuidanceScale',
  'guidanceRescale',
  'ipAdapterImage',
  'adapterImage',
  'denoisingStart',
  'noiseLevel',
  ...sizeConditions,
];

/** What Stable Diffusion 3 has a use for, and Flux, with two text encoders of which CLIP gives a pooled text alone, has not. */
const foreignToFlux = ['clipSkip', 'prompt3', 'negativePrompt3'];

/** @throws {InvalidArgumentError} if a request asks for what no pipeline with a transformer does */
export function assertTransformerRequest(request: object): void {
  assertNone(request, foreign, 'Stable Diffusion 3 and Flux do');
}
