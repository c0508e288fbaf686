// What a request for pictures says, whatever the task, and what comes of it.
import type { RgbImage } from '@emulsion/image';
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import type { ControlOptions } from './controls.ts';
import type { VaeOptions } from './decode-latents.ts';
import type { FeatureOptions } from './feature-control.ts';
import type { PicturePromptOptions } from './picture-prompts.ts';
import type { PreviewOptions } from './preview-latents.ts';
import type { StepEvent } from './run-sampler.ts';
import type { Seed, SeedOptions } from './seeded-noise.ts';

/** A step of a painting. */
export interface PaintStepEvent extends StepEvent {
  /**
   * The pictures as the network expects them now: its estimate x̂₀ of the latents, decoded. It costs a run of the
   * autoencoder each; ask while `onStep` is waited for.
   */
  preview(): Promise<RgbImage[]>;
}

/** What every request for pictures may say. The names and their meaning are those of diffusers. */
export interface PaintOptions
  extends Cancellable,
    SeedOptions,
    ControlOptions,
    FeatureOptions,
    PicturePromptOptions,
    VaeOptions,
    PreviewOptions {
  /** What the picture shows; a list gives a picture for each. */
  readonly prompt: string | readonly string[];
  /** What it is led away from; one for all prompts or one for each. Needs a `guidanceScale` other than 1. */
  readonly negativePrompt?: string | readonly string[] | undefined;
  /** Denoising steps, at least 1; 50 unless said otherwise. */
  readonly numInferenceSteps?: number | undefined;
  /** Timesteps or noise levels to visit instead, descending, where the scheduler takes them. */
  readonly timesteps?: readonly number[] | undefined;
  readonly sigmas?: readonly number[] | undefined;
  /** How closely the prompt is followed; 1 and less is off, 7.5 unless said otherwise. */
  readonly guidanceScale?: number | undefined;
  /** Against overexposure at high scales, 0 to 1; 0 unless said otherwise. */
  readonly guidanceRescale?: number | undefined;
  readonly numImagesPerPrompt?: number | undefined;
  /** A sampler's name (see the table in @emulsion/schedulers), or the JSON of a scheduler_config.json. */
  readonly scheduler?: string | Readonly<Record<string, unknown>> | undefined;
  /** Amount of noise that a stochastic sampler adds in a step; its meaning is the sampler's. */
  readonly eta?: number | undefined;
  /** How many of the text encoder's last layers are left out for the prompt, not for the negative one; 0 unless said otherwise. */
  readonly clipSkip?: number | undefined;
  /** Cut a prompt that is longer than the text encoder reads, instead of refusing it. */
  readonly truncatePrompt?: boolean | undefined;
  /** XL: what the second text encoder reads instead of `prompt` and `negativePrompt`. */
  readonly prompt2?: string | readonly string[] | undefined;
  readonly negativePrompt2?: string | readonly string[] | undefined;
  /** XL: height and width of the picture as the network is to imagine it was found, in pixels; the size that is painted unless given. */
  readonly originalSize?: readonly [height: number, width: number] | undefined;
  /** XL: where it was cropped, top and left; 0 and 0, a picture with all that belongs to it, unless given. */
  readonly cropsCoordsTopLeft?: readonly [top: number, left: number] | undefined;
  /** XL: height and width that it was brought to; the size that is painted unless given. */
  readonly targetSize?: readonly [height: number, width: number] | undefined;
  /** XL: what the negative prompt is told of sizes and crop instead; the same unless given, and a refiner's crop 0 and 0. */
  readonly negativeOriginalSize?: readonly [height: number, width: number] | undefined;
  readonly negativeCropsCoordsTopLeft?: readonly [top: number, left: number] | undefined;
  readonly negativeTargetSize?: readonly [height: number, width: number] | undefined;
  /** XL's refiner: how beautiful the picture is to be, and what it is led away from, about 1 to 10; 6 and 2.5 unless said otherwise. */
  readonly aestheticScore?: number | undefined;
  readonly negativeAestheticScore?: number | undefined;
  /**
   * Share of the denoising, above 0 and at most 1, after which it ends, whatever noise is left: another model goes on
   * from the `latents` of the result with `denoisingStart`.
   */
  readonly denoisingEnd?: number | undefined;
  /** `latent` leaves out the decoding: the result has `latents`, and no pictures. */
  readonly outputType?: 'image' | 'latent' | undefined;
  readonly onStep?: ((event: PaintStepEvent) => void | Promise<void>) | undefined;
}

export interface PaintResult {
  readonly images: RgbImage[];
  /** The pictures before they are rounded to bytes: `[pictures, 3, height, width]` in [0, 1]. */
  readonly pixels: Tensor;
  /** What is decoded, `[pictures, channels, height/scale, width/scale]`. */
  readonly latents: Tensor;
  /** The seed that was used, the first one if there were several. */
  readonly seed: Seed;
  /** One for each picture, or a single one that all were drawn with. */
  readonly seeds: readonly Seed[];
  /** As many, if variations were mixed in. */
  readonly variationSeeds?: readonly Seed[];
  /** The share of the steps that was taken, if a picture was painted over. */
  readonly strength?: number;
}
