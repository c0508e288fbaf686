// The part of a picture that is painted when only what is masked is: A1111's "Only masked", diffusers' padding_mask_crop.
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';

/** A rectangle in pixels; the ends are excluded. */
export interface Region {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** An interval of a length within `[0, limit]`, about where another is. */
function widen(start: number, end: number, length: number, limit: number): [start: number, end: number] {
  const wanted = Math.min(length, limit);
  const from = start - Math.floor((wanted - (end - start)) / 2);
  const inside = Math.min(Math.max(from, 0), limit - wanted);
  return [inside, inside + wanted];
}

/**
 * The smallest rectangle of the proportions of `target` that has all that is masked and a margin of `padding`, as far
 * as the picture goes.
 * @param mask `[batch, 1, height, width]`; what is above 0 is masked
 * @throws {InvalidArgumentError} if nothing is masked, or `padding` is no whole number from 0
 */
export function cropRegion(
  { data, dims: [, , height = 0, width = 0] }: Tensor,
  padding: number,
  target: { readonly width: number; readonly height: number },
): Region {
  if (!Number.isInteger(padding) || padding < 0) {
    throw new InvalidArgumentError(`paddingMaskCrop is ${padding}. Give a whole number of pixels from 0.`);
  }
  let [top, bottom, left, right] = [height, 0, width, 0];
  for (const [i, value] of data.entries()) {
    if (!(value > 0)) continue;
    const [y, x] = [Math.floor(i / width) % height, i % width];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
    [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
  }
  if (bottom === 0) {
    throw new InvalidArgumentError('maskImage: nothing is masked. Give 1 where the picture is painted.');
  }
  [top, bottom] = [Math.max(top - padding, 0), Math.min(bottom + padding, height)];
  [left, right] = [Math.max(left - padding, 0), Math.min(right + padding, width)];
  const proportion = target.width / target.height;
  const wide = (right - left) / (bottom - top) > proportion;
  if (wide) [top, bottom] = widen(top, bottom, Math.floor((right - left) / proportion), height);
  else [left, right] = widen(left, right, Math.floor((bottom - top) * proportion), width);
  return { top, bottom, left, right };
}
