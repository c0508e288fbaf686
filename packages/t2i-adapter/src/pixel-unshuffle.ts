// Squares of pixels as channels (Shi et al. 2016, the other way round), torch's PixelUnshuffle.
import { ShapeError, type Tensor, tensor } from '@emulsion/tensor';

/**
 * `[batch, channels, height, width]` as `[batch, channels · factor², height / factor, width / factor]`.
 * @throws {ShapeError} if height and width are no multiples of the factor
 */
export function pixelUnshuffle({ dims, data }: Tensor, factor: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = dims;
  if (dims.length !== 4 || height % factor !== 0 || width % factor !== 0) {
    throw new ShapeError(
      `pixelUnshuffle: [${dims.join(', ')}] has no height and width that are multiples of ${factor}. Resize the picture.`,
    );
  }
  const [rows, columns] = [height / factor, width / factor];
  const unshuffled = new Float32Array(data.length);
  let target = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let place = 0; place < factor * factor; place++) {
      const start = plane * height * width + Math.floor(place / factor) * width + (place % factor);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++)
          unshuffled[target++] = data[start + factor * (row * width + column)]!;
      }
    }
  }
  return tensor(unshuffled, [batch, channels * factor * factor, rows, columns]);
}
