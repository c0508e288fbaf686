// Gaussian blur, as A1111 softens masks with OpenCV.
import { type Tensor, tensor } from '@emulsion/tensor';

/** The weights of a window of 2·⌊2.5 σ + ½⌋ + 1 elements. */
function gaussianWindow(sigma: number): Float64Array {
  const radius = Math.floor(2.5 * sigma + 0.5);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** An index beyond the ends, reflected at the outermost element. */
function reflect(index: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const place = ((index % period) + period) % period;
  return place < length ? place : period - place;
}

/**
 * The last two axes blurred; the edges are mirrored.
 * @param sigma standard deviation in elements; 0 changes nothing
 */
export function gaussianBlur(x: Tensor, sigma: number): Tensor {
  if (sigma === 0) return x;
  const [height = 1, width = 1] = x.dims.slice(-2);
  const window = gaussianWindow(sigma);
  const radius = (window.length - 1) / 2;
  const blurAxis = (source: Float32Array, length: number, stride: number) =>
    Float32Array.from(source, (_, i) => {
      const place = Math.floor(i / stride) % length;
      let sum = 0;
      for (const [k, weight] of window.entries())
        sum += weight * source[i + (reflect(place + k - radius, length) - place) * stride]!;
      return sum;
    });
  return tensor(blurAxis(blurAxis(x.data, width, 1), height, width), x.dims);
}
