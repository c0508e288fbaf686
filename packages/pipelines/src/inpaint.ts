// Inpainting: what is masked of a picture is painted anew, with any U-Net or with one that was trained to see the mask.
import { type RgbImage, tensorToImages } from '@emulsion/image';
import { type InterpolationMode, InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';
import { cropRegion, type Region } from './crop-region.ts';
import { encodePicture, pixelsOf, repeatTo } from './encode-picture.ts';
import { UnsupportedModelError } from './errors.ts';
import { gaussianBlur } from './gaussian-blur.ts';
import { binarize, maskOf, spreadChannels } from './mask.ts';
import { overlay } from './overlay.ts';
import { guidedByPrompts, paint } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { firstStep } from './strength.ts';
import { latentDims } from './text-to-image.ts';

/** Pictures from a picture of which a part is painted anew. */
export interface InpaintOptions extends PaintOptions {
  /** One picture for all prompts or one for each: bytes, or `[batch, 3, height, width]` in [0, 1]. */
  readonly image: RgbImage | Tensor;
  /** White, or 1, where the picture is painted: bytes of the picture's size, or `[batch, 1, height, width]` in [0, 1]. */
  readonly maskImage: RgbImage | Tensor;
  /** Share of the steps that is taken, above 0 and at most 1; 1, which begins with nothing but noise, unless said otherwise. */
  readonly strength?: number | undefined;
  /** Softens the mask's edge, in pixels (standard deviation of a Gaussian); 0 unless said otherwise. */
  readonly maskBlur?: number | undefined;
  /**
   * Paints only the surroundings of what is masked, with a margin of as many pixels, in the size of `width` and
   * `height` (A1111's "Only masked"). The whole picture is painted unless given.
   */
  readonly paddingMaskCrop?: number | undefined;
  /** The size that is painted in, in pixels; the picture's own unless given. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

/**
 * Paints what is masked. With a soft mask or a margin the rest of the picture stays as it is, pixel for pixel;
 * otherwise it is what the autoencoder makes of it.
 * @throws {InvalidArgumentError} {ShapeError} if an option makes no sense, {UnsupportedModelError} if the U-Net takes
 * neither latents alone nor latents, mask and masked picture, and the errors of the parts
 */
export async function inpaint(parts: StableDiffusionParts, options: InpaintOptions): Promise<PaintResult> {
  const { strength = 1, signal } = options;
  const { ops } = parts.device;
  const seesMask = takesMask(parts);
  const request = await paintRequest(parts, options);
  const { noise, pictures, scheduler, plan } = request;
  const beginIndex = firstStep(plan, strength, scheduler.evaluationsPerStep);
  const canvas = canvasOf(ops, options);
  const { image, mask } = canvas;
  const dims = latentDims(parts, { height: image.dims[2], width: image.dims[3] }, pictures);
  const drawing = { pictures, noise, signal };
  // The draws are in the order of diffusers, which encodes the masked picture for every network.
  const original = seesMask && strength === 1 ? undefined : await encodePicture(parts, image, drawing);
  const start = noise.start(dims, parts.vae.config.scale);
  const latentMask = repeatTo(ops, ops.interpolate(mask, dims[2]!, dims[3]!, 'nearest'), pictures);
  const masked = seesMask ? await encodePicture(parts, withoutMasked(ops, image, mask), drawing) : undefined;
  if (!masked) noise.draw([noise.perImage ? pictures : image.dims[0]!, ...dims.slice(1)]);
  const sample =
    strength === 1
      ? ops.combine([plan.initNoiseSigma, start])
      : scheduler.addNoise({ sample: original!, noise: start, plan, beginIndex, ops });
  const subject = await guidedByPrompts(
    parts,
    options,
    request,
    dims,
    masked && { appended: ops.concat([latentMask, masked], 1) },
    beginIndex,
  );
  const known = masked
    ? undefined
    : { original: original!, noise: start, mask: spreadChannels(latentMask, dims[1]!) };
  const result = await paint(parts, options, request, subject, { sample, beginIndex, known });
  return onCanvas(ops, canvas, result);
}

/**
 * Whether the U-Net takes mask and masked picture besides the latents.
 * @throws {UnsupportedModelError} if it takes something else
 */
function takesMask({ unet, vae }: StableDiffusionParts): boolean {
  const { inChannels } = unet.config;
  const { latentChannels } = vae.config;
  if (inChannels === latentChannels) return false;
  if (inChannels === 2 * latentChannels + 1) return true;
  throw new UnsupportedModelError(
    `unet: it takes ${inChannels} channels; for inpainting ${latentChannels} or ${2 * latentChannels + 1} are wanted. Use another model.`,
  );
}

/** The picture, and what of it is painted in which size. */
interface Canvas {
  /** The whole picture, `[batch, 3, …]` in [0, 1], and how much of each pixel is painted, `[batch, 1, …]`. */
  readonly picture: Tensor;
  readonly softMask: Tensor;
  /** The part that is painted, if what is painted is laid over the picture. */
  readonly region: Region | undefined;
  /** That part in the size that is painted in, and its mask of 0 and 1. */
  readonly image: Tensor;
  readonly mask: Tensor;
}

function canvasOf(ops: TensorOps, options: InpaintOptions): Canvas {
  const { maskBlur = 0, paddingMaskCrop } = options;
  if (!(maskBlur >= 0 && maskBlur < Number.POSITIVE_INFINITY)) {
    throw new InvalidArgumentError(`maskBlur is ${maskBlur}. Give a number of pixels from 0.`);
  }
  const picture = pixelsOf(options.image);
  const softMask = gaussianBlur(maskOf(options.maskImage, picture), maskBlur);
  const whole = { top: 0, bottom: picture.dims[2]!, left: 0, right: picture.dims[3]! };
  const { width = whole.right, height = whole.bottom } = options;
  const region =
    paddingMaskCrop === undefined ? whole : cropRegion(softMask, paddingMaskCrop, { width, height });
  const fit = (x: Tensor, mode: InterpolationMode) =>
    resize(ops, crop(ops, x, region), { width, height }, mode);
  return {
    picture,
    softMask,
    region: paddingMaskCrop !== undefined || maskBlur > 0 ? region : undefined,
    image: ops.clamp(fit(picture, 'bicubic'), 0, 1),
    mask: binarize(fit(softMask, 'bilinear')),
  };
}

const crop = (ops: TensorOps, x: Tensor, { top, bottom, left, right }: Region) =>
  ops.slice(ops.slice(x, top, bottom, 2), left, right, 3);

function resize(
  ops: TensorOps,
  x: Tensor,
  { width, height }: { width: number; height: number },
  mode: InterpolationMode,
): Tensor {
  return x.dims[2] === height && x.dims[3] === width ? x : ops.interpolate(x, height, width, mode);
}

/** A picture with grey, the middle of the autoencoder's range, where it is masked. */
function withoutMasked(ops: TensorOps, image: Tensor, mask: Tensor): Tensor {
  const batch = Math.max(image.dims[0]!, mask.dims[0]!);
  const kept = repeatTo(ops, spreadChannels(ops.affine(mask, -1, 1), image.dims[1]!), batch);
  return ops.affine(ops.multiply(kept, ops.affine(repeatTo(ops, image, batch), 1, -0.5)), 1, 0.5);
}

/** What was painted in its place in the picture, if it was but a part or has a soft edge. */
function onCanvas(ops: TensorOps, { picture, softMask, region }: Canvas, result: PaintResult): PaintResult {
  // Where latents alone are asked for, there are no pictures.
  if (!region || result.pixels.dims[0] === 0) return result;
  const size = { width: region.right - region.left, height: region.bottom - region.top };
  const painted = ops.clamp(resize(ops, result.pixels, size, 'bicubic'), 0, 1);
  const batch = painted.dims[0]!;
  const pixels = overlay(repeatTo(ops, picture, batch), painted, repeatTo(ops, softMask, batch), region);
  return { ...result, pixels, images: tensorToImages(pixels) };
}
