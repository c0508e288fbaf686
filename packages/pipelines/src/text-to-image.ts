// Text to image (Rombach et al. 2022): noise that a guided U-Net turns into latents, latents to a picture.
import { InvalidArgumentError, ShapeError, type Tensor } from '@emulsion/tensor';
import { assertFinite } from './assert-finite.ts';
import { controlSize } from './controls.ts';
import { featureSize } from './feature-control.ts';
import { denoise, finish, guidedByPrompts } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { type PaintRequest, paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

/** Pictures from prompts. */
export interface TextToImageOptions extends PaintOptions {
  /** Pixels; the size of the first `controlImage` or `adapterImage`, or else the model's own, unless given. Multiples of the autoencoder's scale, 8 for most. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height/scale, width/scale]`, instead of the seed's. */
  readonly latents?: Tensor | undefined;
}

/** Paints pictures from prompts. @throws the errors of the parts, each with what to do */
export async function textToImage(
  parts: StableDiffusionParts,
  options: TextToImageOptions,
): Promise<PaintResult> {
  const request = await paintRequest(parts, options);
  return finish(parts, options, request, await latentsFromText(parts, options, request));
}

/** The latents of the pictures that prompts ask for, clean. */
export async function latentsFromText(
  parts: StableDiffusionParts,
  options: TextToImageOptions,
  request: PaintRequest,
): Promise<Tensor> {
  const dims = latentDims(parts, options, request.pictures);
  const noise = options.latents ?? request.noise.start(dims, parts.vae.config.scale);
  assertNoise(noise, dims);
  const sample = parts.device.ops.combine([request.plan.initNoiseSigma, noise]);
  const subject = await guidedByPrompts(parts, options, request, dims);
  return denoise(parts, options, request, subject, { sample });
}

/**
 * Dims of the latents of the pictures that are asked for.
 * @throws {InvalidArgumentError} if the size is none that the autoencoder makes
 */
export function latentDims(
  { unet, vae }: Pick<StableDiffusionParts, 'unet' | 'vae'>,
  options: Pick<TextToImageOptions, 'width' | 'height' | 'latents' | 'controlImage' | 'adapterImage'>,
  pictures: number,
): number[] {
  const { latents } = options;
  const { scale, latentChannels } = vae.config;
  const followed = controlSize(options) ?? featureSize(options);
  const size = (name: 'height' | 'width', axis: 2 | 3): number => {
    // Latents of another rank have no size to go by, and are refused by their dims.
    const own = latents?.dims.length === 4 ? latents.dims[axis]! * scale : followed?.[name];
    const pixels = options[name] ?? own ?? (unet.config.sampleSize ?? 64) * scale;
    if (!Number.isInteger(pixels) || pixels < scale || pixels % scale !== 0) {
      const nearest = Math.max(Math.round(pixels / scale), 1) * scale;
      const hint = Number.isFinite(nearest) ? ` ${nearest} is the nearest.` : '';
      throw new InvalidArgumentError(
        `${name} is ${pixels}; this model's autoencoder makes multiples of ${scale}.${hint}`,
      );
    }
    return pixels / scale;
  };
  return [pictures, latentChannels, size('height', 2), size('width', 3)];
}

/** @throws {ShapeError} or {NonFiniteError} if noise that was given can't be started from */
export function assertNoise(noise: Tensor, dims: readonly number[]): void {
  if (noise.dims.length !== dims.length || noise.dims.some((dim, axis) => dim !== dims[axis])) {
    throw new ShapeError(
      `latents are [${noise.dims.join(', ')}]; for this model, size and number of pictures they must be [${dims.join(', ')}].`,
    );
  }
  assertFinite(noise, 'latents have', 'Give standard normal noise.');
}
