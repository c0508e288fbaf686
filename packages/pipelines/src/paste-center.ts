// The middle of one tensor of noise laid over the middle of another, as A1111 resizes a seed.
import { type Tensor, tensor } from '@emulsion/tensor';

/** Where the overlap of two lengths begins in each, and how long it is. */
function overlap(target: number, source: number): { to: number; from: number; length: number } {
  // The way A1111 halves an odd rest, which rounds down.
  const margin = Math.floor((target - source) / 2);
  return margin >= 0
    ? { to: margin, from: 0, length: source }
    : { to: 0, from: -margin, length: source + 2 * margin };
}

/**
 * Replaces the middle of `target` by that of `source`; what is larger juts out.
 * @param target `[batch, channels, height, width]`
 * @param source of the same batch and channels, of any size
 * @returns a tensor of the dims of `target`
 */
export function pasteCenter(target: Tensor, source: Tensor): Tensor {
  const [batch = 1, channels = 1, height = 1, width = 1] = target.dims;
  const [, , sourceHeight = 1, sourceWidth = 1] = source.dims;
  const [rows, columns] = [overlap(height, sourceHeight), overlap(width, sourceWidth)];
  const data = Float32Array.from(target.data);
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let row = 0; row < rows.length; row++) {
      const start = (plane * sourceHeight + rows.from + row) * sourceWidth + columns.from;
      const place = (plane * height + rows.to + row) * width + columns.to;
      data.set(source.data.subarray(start, start + columns.length), place);
    }
  }
  return tensor(data, target.dims);
}
