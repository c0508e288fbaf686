// Resizing pictures of bytes as Pillow does: convolution with a filter that widens where a picture shrinks.
import { InvalidArgumentError } from '@emulsion/tensor';
import type { RgbImage } from './rgb-image.ts';

/** Bits behind the point of the weights, as in Pillow's kernels for bytes. */
const precision = 22;

/** The cubic convolution of Keys (1981) with a = -0.5, which reaches two pixels far. */
const support = 2;
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** Where a pixel of the result comes from: the first of its pixels in the source, and their weights. */
interface Tap {
  readonly start: number;
  readonly weights: Int32Array;
}

/** The taps of one axis, their weights rounded to fixed-point numbers. */
function axisTaps(from: number, to: number): Tap[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  return Array.from({ length: to }, (_, i): Tap => {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - reach + 0.5), 0);
    const end = Math.min(Math.trunc(center + reach + 0.5), from);
    const weights = Array.from({ length: end - start }, (_, k) =>
      cubic((start + k - center + 0.5) * (1 / stretch)),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const rounded = weights.map((weight) => {
      const fixed = (weight / sum) * 2 ** precision;
      return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    return { start, weights: Int32Array.from(rounded) };
  });
}

/**
 * Resizes lines of samples: line `i` begins at `lineStart(i)`, and its samples lie `step` apart. Both passes round to
 * bytes.
 */
function resizeLines(
  source: Uint8Array,
  target: Uint8Array,
  taps: readonly Tap[],
  lines: {
    count: number;
    step: number;
    sourceStart(line: number): number;
    targetStart(line: number): number;
  },
): void {
  const { count, step } = lines;
  for (let line = 0; line < count; line++) {
    const [from, to] = [lines.sourceStart(line), lines.targetStart(line)];
    for (const [i, { start, weights }] of taps.entries()) {
      let sum = 2 ** (precision - 1);
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * source[from + (start + k) * step]!;
      target[to + i * step] = Math.min(Math.max(sum >> precision, 0), 255);
    }
  }
}

/**
 * A picture in another size, bicubic, as Pillow's `Image.resize` computes it to the byte. Each channel is resized by
 * itself, alpha too.
 * @throws {InvalidArgumentError} if a size is not an integer of at least 1
 */
export function resizeImage(image: RgbImage, size: { width: number; height: number }): RgbImage {
  const { width, height } = size;
  if (![width, height].every((length) => Number.isInteger(length) && length >= 1)) {
    throw new InvalidArgumentError(
      `resizeImage: the size is ${width} x ${height}. Give integers of at least 1.`,
    );
  }
  const { channels } = image;
  let data = image.data;
  if (width !== image.width) {
    const wide = new Uint8Array(channels * width * image.height);
    resizeLines(data, wide, axisTaps(image.width, width), {
      count: channels * image.height,
      step: channels,
      sourceStart: (line) => rowStart(line, channels, image.width),
      targetStart: (line) => rowStart(line, channels, width),
    });
    data = wide;
  }
  if (height !== image.height) {
    const high = new Uint8Array(channels * width * height);
    resizeLines(data, high, axisTaps(image.height, height), {
      count: channels * width,
      step: channels * width,
      sourceStart: (line) => line,
      targetStart: (line) => line,
    });
    data = high;
  }
  return { width, height, channels, data };
}

/** Where a row of one channel begins, counted over rows and channels. */
const rowStart = (line: number, channels: number, width: number) =>
  Math.floor(line / channels) * channels * width + (line % channels);
