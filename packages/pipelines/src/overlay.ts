// What was painted laid over the picture that it was painted in.
import { type Tensor, tensor } from '@emulsion/tensor';
import type { Region } from './crop-region.ts';

/**
 * Mixes a painted region into a picture.
 * @param picture `[batch, 3, height, width]`
 * @param painted `[batch, 3, …]` of the region's size
 * @param mask `[batch, 1, height, width]`, how much of each pixel is the painted one
 */
export function overlay(
  picture: Tensor,
  painted: Tensor,
  mask: Tensor,
  { top, bottom, left, right }: Region,
): Tensor {
  const [batch = 1, channels = 1, height = 1, width = 1] = picture.dims;
  const data = Float32Array.from(picture.data);
  let next = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    const maskStart = Math.floor(plane / channels) * height * width;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const place = y * width + x;
        const i = plane * height * width + place;
        data[i]! += mask.data[maskStart + place]! * (painted.data[next++]! - data[i]!);
      }
    }
  }
  return tensor(data, picture.dims);
}
