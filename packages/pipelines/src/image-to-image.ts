// Image to image (Meng et al. 2022, SDEdit): noise is added to a picture's latents, and the last steps take it away.
import type { RgbImage } from '@emulsion/image';
import { ShapeError, type Tensor } from '@emulsion/tensor';
import { startIndex } from './denoising-range.ts';
import { assertRepeatable, encodePicture, pixelsOf, repeatTo } from './encode-picture.ts';
import { guidedByPrompts, paint } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { type PaintRequest, paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { firstStep } from './strength.ts';

/** Pictures from a picture and prompts. */
export interface ImageToImageOptions extends PaintOptions {
  /** One picture for all prompts or one for each: bytes, `[batch, 3, height, width]` in [0, 1], or the latents of one. */
  readonly image: RgbImage | Tensor;
  /** Share of the steps that is taken, above 0 and at most 1; 1 keeps nothing of the picture; 0.8 unless said otherwise. */
  readonly strength?: number | undefined;
  /**
   * Share of the denoising that was done before, between 0 and 1, instead of `strength`: `image` is then the latents
   * that another model left with `denoisingEnd`, and no noise is added.
   */
  readonly denoisingStart?: number | undefined;
}

/**
 * Paints over a picture, or goes on with the latents of one that is half painted.
 * @throws {InvalidArgumentError} if `strength` or `denoisingStart` is no such share, or leaves no step, {ShapeError} if
 * latents are wanted and a picture came, and the errors of the parts
 */
export async function imageToImage(
  parts: StableDiffusionParts,
  options: ImageToImageOptions,
): Promise<PaintResult> {
  const { strength = 0.8, denoisingStart } = options;
  const request = await paintRequest(parts, options);
  const { plan, scheduler } = request;
  if (denoisingStart !== undefined) {
    return goOn(parts, options, request, startIndex(plan, denoisingStart, scheduler));
  }
  const beginIndex = firstStep(plan, strength, scheduler.evaluationsPerStep);
  return { ...(await paintOver(parts, options, request, beginIndex)), strength };
}

/** Goes on with latents that have the noise of an entry of the plan's timesteps. */
async function goOn(
  parts: StableDiffusionParts,
  options: ImageToImageOptions,
  request: PaintRequest,
  beginIndex: number,
): Promise<PaintResult> {
  const { inChannels, latentChannels } = parts.vae.config;
  const image = pixelsOf(options.image);
  if (image.dims[1] !== latentChannels || latentChannels === inChannels) {
    throw new ShapeError(
      `denoisingStart: image is [${image.dims.join(', ')}], and [batch, ${latentChannels}, height, width] is wanted. Give the latents that were painted with denoisingEnd.`,
    );
  }
  assertRepeatable(image, request.pictures);
  const sample = repeatTo(parts.device.ops, image, request.pictures);
  const subject = await guidedByPrompts(parts, options, request, sample.dims, {}, beginIndex);
  return paint(parts, options, request, subject, { sample, beginIndex });
}

/** Paints over a picture, from an entry of the plan's timesteps on. */
export async function paintOver(
  parts: StableDiffusionParts,
  options: ImageToImageOptions,
  request: PaintRequest,
  beginIndex: number,
): Promise<PaintResult> {
  const { ops } = parts.device;
  const { noise, pictures, scheduler, plan } = request;
  const drawing = { pictures, noise, signal: options.signal };
  const clean = await encodePicture(parts, pixelsOf(options.image), drawing);
  const start = noise.start(clean.dims, parts.vae.config.scale);
  const sample = scheduler.addNoise({ sample: clean, noise: start, plan, beginIndex, ops });
  const subject = await guidedByPrompts(parts, options, request, clean.dims, {}, beginIndex);
  return paint(parts, options, request, subject, { sample, beginIndex });
}
