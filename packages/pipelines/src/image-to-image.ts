// Image to image (Meng et al. 2022, SDEdit): noise is added to a picture's latents, and the last steps take it away.
import type { RgbImage } from '@emulsion/image';
import type { Tensor } from '@emulsion/tensor';
import { encodePicture, pixelsOf } from './encode-picture.ts';
import { guidedByPrompts, paint } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { type PaintRequest, paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { firstStep } from './strength.ts';

/** Pictures from a picture and prompts. */
export interface ImageToImageOptions extends PaintOptions {
  /** One picture for all prompts or one for each: bytes, or `[batch, 3, height, width]` in [0, 1]. */
  readonly image: RgbImage | Tensor;
  /** Share of the steps that is taken, above 0 and at most 1; 1 keeps nothing of the picture; 0.8 unless said otherwise. */
  readonly strength?: number | undefined;
}

/**
 * Paints over a picture.
 * @throws {InvalidArgumentError} if `strength` is not above 0 and at most 1, or leaves no step, and the errors of the
 * parts
 */
export async function imageToImage(
  parts: StableDiffusionParts,
  options: ImageToImageOptions,
): Promise<PaintResult> {
  const { strength = 0.8 } = options;
  const request = await paintRequest(parts, options);
  const beginIndex = firstStep(request.plan, strength, request.scheduler.evaluationsPerStep);
  return paintOver(parts, options, request, beginIndex);
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
