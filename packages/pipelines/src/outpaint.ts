// Outpainting: a picture is widened, and what is new is painted as inpainting paints what is masked.
import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import { pixelsOf } from './encode-picture.ts';
import { type InpaintOptions, inpaint } from './inpaint.ts';
import type { PaintResult } from './paint-options.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

/** Pixels on each side, 0 unless given. */
export interface Margins {
  readonly top?: number | undefined;
  readonly right?: number | undefined;
  readonly bottom?: number | undefined;
  readonly left?: number | undefined;
}

/** Pictures from a picture that is widened. */
export interface OutpaintOptions
  extends Omit<InpaintOptions, 'maskImage' | 'paddingMaskCrop' | 'width' | 'height'> {
  /** How far the picture is widened; its new size is a multiple of the autoencoder's scale, 8 for most. */
  readonly expand: Margins;
  /** Pixels at the old edges that are painted too, so that the new ones fit; 8 unless said otherwise. */
  readonly overlap?: number | undefined;
  /** Softens the edge between old and new, in pixels; 4 unless said otherwise. */
  readonly maskBlur?: number | undefined;
}

/**
 * Paints around a picture. Begun with what repeats its edges, if `strength` is below 1.
 * @throws {InvalidArgumentError} as `widen` and `inpaint`
 */
export async function outpaint(parts: StableDiffusionParts, options: OutpaintOptions): Promise<PaintResult> {
  return inpaint(parts, { ...options, ...widen(options) });
}

/** What is widened, and how. */
export type WidenOptions = Pick<OutpaintOptions, 'image' | 'expand' | 'overlap' | 'maskBlur'>;

/**
 * The picture with its edges repeated, and the mask of what is new: outpainting as a request for inpainting.
 * @throws {InvalidArgumentError} if a margin is no whole number from 0, all are 0, or there is no picture, or a mask too
 */
export function widen(options: WidenOptions): Pick<InpaintOptions, 'image' | 'maskImage' | 'maskBlur'> {
  const { image, expand, overlap = 8, maskBlur = 4 } = options;
  // Requests of programs without types may lack the one and have the other.
  if (!(image as unknown))
    throw new InvalidArgumentError('expand: there is no picture to widen. Give image too.');
  if ('maskImage' in options && options.maskImage)
    throw new InvalidArgumentError('expand: it says itself what is painted. Leave maskImage or expand out.');
  const { top = 0, right = 0, bottom = 0, left = 0 } = expand;
  const margins = { top, right, bottom, left };
  for (const [name, pixels] of Object.entries({ ...margins, overlap })) {
    if (!Number.isInteger(pixels) || pixels < 0) {
      throw new InvalidArgumentError(
        `${name === 'overlap' ? name : `expand.${name}`} is ${pixels}. Give a whole number of pixels from 0.`,
      );
    }
  }
  if (top + right + bottom + left === 0) {
    throw new InvalidArgumentError('expand: all margins are 0. Give at least one side that is widened.');
  }
  const picture = pixelsOf(image);
  return {
    maskBlur,
    image: repeatEdges(picture, margins),
    maskImage: marginMask(picture, margins, overlap),
  };
}

type AllMargins = { readonly [Side in keyof Margins]-?: number };

/** The picture with its outermost pixels repeated on all sides. */
function repeatEdges({ data, dims }: Tensor, { top, right, bottom, left }: AllMargins): Tensor {
  const [batch = 1, channels = 1, height = 1, width = 1] = dims;
  const [newHeight, newWidth] = [height + top + bottom, width + left + right];
  const inside = (place: number, length: number) => Math.min(Math.max(place, 0), length - 1);
  const wide = new Float32Array(batch * channels * newHeight * newWidth);
  for (let i = 0; i < wide.length; i++) {
    const plane = Math.floor(i / (newHeight * newWidth));
    const y = inside((Math.floor(i / newWidth) % newHeight) - top, height);
    const x = inside((i % newWidth) - left, width);
    wide[i] = data[(plane * height + y) * width + x]!;
  }
  return tensor(wide, [batch, channels, newHeight, newWidth]);
}

/** 1 where the widened picture is new, and at those of its old edges that it goes on beyond. */
function marginMask(
  { dims: [, , height = 1, width = 1] }: Tensor,
  { top, right, bottom, left }: AllMargins,
  overlap: number,
): Tensor {
  const [newHeight, newWidth] = [height + top + bottom, width + left + right];
  const isNew = (place: number, before: number, length: number, after: number) =>
    (before > 0 && place < before + overlap) || (after > 0 && place >= before + length - overlap);
  const mask = Float32Array.from({ length: newHeight * newWidth }, (_, i) =>
    isNew(Math.floor(i / newWidth), top, height, bottom) || isNew(i % newWidth, left, width, right) ? 1 : 0,
  );
  return tensor(mask, [1, 1, newHeight, newWidth]);
}
