// What inpainting paints of a picture, in which size, and how it comes back into its place.
import { type RgbImage, tensorToImages } from '@emulsion/image';
import { type InterpolationMode, InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';
import { cropRegion, type Region } from './crop-region.ts';
import { pixelsOf, repeatTo } from './encode-picture.ts';
import { gaussianBlur } from './gaussian-blur.ts';
import { binarize, maskOf } from './mask.ts';
import { overlay } from './overlay.ts';
import type { PaintResult } from './paint-options.ts';

/** A picture, and what of it is painted. */
export interface CanvasOptions {
  /** One picture for all prompts or one for each: bytes, or `[batch, 3, height, width]` in [0, 1]. */
  readonly image: RgbImage | Tensor;
  /** White, or 1, where the picture is painted: bytes of the picture's size, or `[batch, 1, height, width]` in [0, 1]. */
  readonly maskImage: RgbImage | Tensor;
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

/** The picture, and what of it is painted in which size. */
export interface Canvas {
  /** The whole picture, `[batch, 3, …]` in [0, 1], and how much of each pixel is painted, `[batch, 1, …]`. */
  readonly picture: Tensor;
  readonly softMask: Tensor;
  /** The part that is painted, if what is painted is laid over the picture. */
  readonly region: Region | undefined;
  /** That part in the size that is painted in, and its mask of 0 and 1. */
  readonly image: Tensor;
  readonly mask: Tensor;
}

/**
 * Reads picture and mask.
 * @throws {InvalidArgumentError} {ShapeError} if they do not go together, or an option makes no sense
 */
export function canvasOf(ops: TensorOps, options: CanvasOptions): Canvas {
  const { maskBlur = 0, paddingMaskCrop } = options;
  // Requests of programs without types may lack it.
  if (!(options.image as unknown))
    throw new InvalidArgumentError('maskImage: there is no picture that it masks. Give image too.');
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

/** What was painted in its place in the picture, if it was but a part or has a soft edge. */
export function onCanvas(
  ops: TensorOps,
  { picture, softMask, region }: Canvas,
  result: PaintResult,
): PaintResult {
  // Where latents alone are asked for, there are no pictures.
  if (!region || result.pixels.dims[0] === 0) return result;
  const size = { width: region.right - region.left, height: region.bottom - region.top };
  const painted = ops.clamp(resize(ops, result.pixels, size, 'bicubic'), 0, 1);
  const batch = painted.dims[0]!;
  const pixels = overlay(repeatTo(ops, picture, batch), painted, repeatTo(ops, softMask, batch), region);
  return { ...result, pixels, images: tensorToImages(pixels) };
}
