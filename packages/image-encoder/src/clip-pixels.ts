// What CLIP sees of a picture: transformers' CLIPImageProcessor, with its resizing by Pillow.
import { type RgbImage, resizeImage } from '@emulsion/image';
import { type Tensor, tensor } from '@emulsion/tensor';

/** Mean and standard deviation of the channels of the pictures that CLIP was trained on. */
const means = [0.48145466, 0.4578275, 0.40821073] as const;
const deviations = [0.26862954, 0.26130258, 0.27577711] as const;

/**
 * The middle of a picture as CLIP takes it: its shorter side resized to `size`, cut to a square and normalized. An alpha
 * channel is left out.
 * @returns `[1, 3, size, size]`
 */
export function clipPixels(image: RgbImage, size: number): Tensor {
  const { width, height } = image;
  const short = Math.min(width, height);
  const fit = (length: number) => (length === short ? size : Math.trunc((size * length) / short));
  const resized = resizeImage(image, { width: fit(width), height: fit(height) });
  const top = Math.floor((resized.height - size) / 2);
  const left = Math.floor((resized.width - size) / 2);
  const pixels = new Float32Array(3 * size * size);
  let target = 0;
  for (let channel = 0; channel < 3; channel++) {
    for (let row = 0; row < size; row++) {
      const start = (top + row) * resized.width + left;
      for (let column = 0; column < size; column++) {
        const value = resized.data[(start + column) * resized.channels + channel]! / 255;
        pixels[target++] = (value - means[channel]!) / deviations[channel]!;
      }
    }
  }
  return tensor(pixels, [1, 3, size, size]);
}
