// Pictures as bytes, and as the tensors that networks make and take.
import { type Tensor, tensor } from '@emulsion/tensor';
import { ImageError } from './errors.ts';

/** A picture of 8-bit samples: red, green, blue and, with four channels, alpha; pixel after pixel, row after row. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly data: Uint8Array;
}

/** Rounds to the nearest integer, halves to the even one, as NumPy does. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Pictures of a batch, rounded as diffusers' VaeImageProcessor rounds them.
 * @param pixels `[batch, 3, height, width]` in [0, 1]; what lies outside is clipped
 * @throws {ImageError} if the shape is another, or an element is not a number
 */
export function tensorToImages({ dims, data }: Tensor): RgbImage[] {
  const [batch = 0, channels, height = 0, width = 0] = dims;
  if (dims.length !== 4 || channels !== 3) {
    throw new ImageError(
      `image: a tensor of [${dims.join(', ')}] is no batch of pictures. [batch, 3, height, width] is wanted.`,
    );
  }
  const area = height * width;
  return Array.from({ length: batch }, (_, index): RgbImage => {
    const bytes = new Uint8Array(3 * area);
    for (let channel = 0; channel < 3; channel++) {
      const start = (3 * index + channel) * area;
      for (let i = 0; i < area; i++) {
        const value = data[start + i]!;
        if (Number.isNaN(value))
          throw new ImageError(
            'image: an element is NaN. The network that made the picture overflowed, or its weights are damaged.',
          );
        bytes[3 * i + channel] = roundHalfEven(Math.fround(Math.min(Math.max(value, 0), 1) * 255));
      }
    }
    return { width, height, channels: 3, data: bytes };
  });
}

/** A picture as a tensor `[1, 3, height, width]` in [0, 1]. Its alpha channel, if it has one, is left out. */
export function imageToTensor({ width, height, channels, data }: RgbImage): Tensor {
  const area = height * width;
  const pixels = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < area; i++) pixels[channel * area + i] = data[channels * i + channel]! / 255;
  }
  return tensor(pixels, [1, 3, height, width]);
}
