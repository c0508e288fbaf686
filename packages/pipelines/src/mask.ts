// Masks: which pixels of a picture are painted.
import type { RgbImage } from '@emulsion/image';
import { ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import { assertFinite } from './assert-finite.ts';

/**
 * A mask of a request as `[batch, 1, height, width]`, 1 where the picture is painted. Of a picture it is the luminance
 * (ITU-R 601, in whole numbers as Pillow has it).
 * @throws {ShapeError} if it has not the picture's size, {NonFiniteError}
 */
export function maskOf(mask: RgbImage | Tensor, picture: Tensor): Tensor {
  const x = 'channels' in mask ? luminance(mask) : mask;
  const [, channels, height, width] = x.dims;
  const [, , wantedHeight, wantedWidth] = picture.dims;
  if (x.dims.length !== 4 || channels !== 1 || height !== wantedHeight || width !== wantedWidth) {
    throw new ShapeError(
      `maskImage is [${x.dims.join(', ')}]; for this picture it must be [batch, 1, ${wantedHeight}, ${wantedWidth}]. Resize it.`,
    );
  }
  assertFinite(x, 'maskImage: the mask has', 'Give 0 where the picture is kept and 1 where it is painted.');
  return x;
}

/** How light each pixel is, `[1, 1, height, width]` in [0, 1]. */
export function luminance({ width, height, channels, data }: RgbImage): Tensor {
  const values = new Float32Array(width * height);
  for (let i = 0; i < values.length; i++) {
    const [red, green, blue] = [data[channels * i]!, data[channels * i + 1]!, data[channels * i + 2]!];
    values[i] = Math.floor((19595 * red + 38470 * green + 7471 * blue + 0x8000) / 0x10000) / 255;
  }
  return tensor(values, [1, 1, height, width]);
}

/** 1 from a half on, else 0. */
export const binarize = ({ data, dims }: Tensor): Tensor =>
  tensor(
    data.map((value) => (value >= 0.5 ? 1 : 0)),
    dims,
  );

/** A mask for each channel alike: `[batch, 1, …]` becomes `[batch, channels, …]`. */
export function spreadChannels({ data, dims: [batch = 0, , ...space] }: Tensor, channels: number): Tensor {
  const area = data.length / Math.max(batch, 1);
  const spread = new Float32Array(channels * data.length);
  for (let plane = 0; plane < batch * channels; plane++) {
    const start = Math.floor(plane / channels) * area;
    spread.set(data.subarray(start, start + area), plane * area);
  }
  return tensor(spread, [batch, channels, ...space]);
}
