// PNG files with text in them.
import { convertIndexedToRgb, type DecodedPng, decode } from 'fast-png';
import { zlibSync } from 'fflate';
import { ImageError } from './errors.ts';
import { encodeChunk, joinBytes, pngSignature } from './png-chunk.ts';
import { filterRows } from './png-filter.ts';
import { encodeText, extractText } from './png-text.ts';
import { makeReadable } from './readable-png.ts';
import type { RgbImage } from './rgb-image.ts';

export interface EncodePngOptions {
  /** Texts by keyword; A1111's settings go under `parameters`. Any Unicode is kept. */
  readonly text?: Readonly<Record<string, string>>;
}

/** Largest width and height that the format knows. */
const longestSide = 2 ** 31 - 1;

/**
 * The bytes of a PNG file, its texts before the pixels.
 * @throws {ImageError} if the data does not fit the picture's size, or PNG does not allow a keyword
 */
export function encodePng(
  { width, height, channels, data }: RgbImage,
  { text = {} }: EncodePngOptions = {},
): Uint8Array {
  const sides = [width, height];
  const isPicture = sides.every((side) => Number.isInteger(side) && side > 0 && side <= longestSide);
  if (!isPicture || data.length !== width * height * channels) {
    throw new ImageError(
      `png: ${data.length} bytes are no picture of ${width}x${height} with ${channels} channels. Give width · height · channels bytes.`,
    );
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // bits in a sample
  header.setUint8(9, channels === 4 ? 6 : 2); // colour, with or without alpha
  return joinBytes(
    pngSignature,
    encodeChunk('IHDR', new Uint8Array(header.buffer)),
    ...Object.entries(text).map(([keyword, value]) => encodeText(keyword, value)),
    encodeChunk('IDAT', zlibSync(filterRows(data, width, channels))),
    encodeChunk('IEND', new Uint8Array(0)),
  );
}

/**
 * Reads a PNG file of any colour type and depth; 16-bit samples lose their lower half.
 * @returns the picture, and its texts by keyword
 * @throws {ImageError} if the bytes are no PNG, or a damaged one
 */
export function decodePng(bytes: Uint8Array): { image: RgbImage; text: Record<string, string> } {
  try {
    const png = decode(makeReadable(bytes), { checkCrc: true });
    return { image: toRgb(png), text: extractText(bytes) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError(
      `png: the bytes are not a PNG file, or a damaged one (${reason}). Give another file.`,
      { cause },
    );
  }
}

function toRgb(png: DecodedPng): RgbImage {
  const { width, height, palette } = png;
  const samples = palette ? convertIndexedToRgb(png) : unpackSamples(png);
  const given = palette ? samples.length / (width * height) : png.channels;
  const bits = samples instanceof Uint16Array ? 16 : palette ? 8 : png.depth;
  const toByte = (value: number) =>
    bits === 16 ? value >>> 8 : bits === 8 ? value : (value * 255) / (2 ** bits - 1);
  const hasAlpha = given === 2 || given === 4;
  const channels = hasAlpha ? 4 : 3;
  const data = new Uint8Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      // Grey stands for all three colours; alpha comes last.
      const source = channel === 3 ? given - 1 : given <= 2 ? 0 : channel;
      data[pixel * channels + channel] = toByte(samples[pixel * given + source]!);
    }
  }
  return { width, height, channels, data };
}

/** Samples of less than a byte, each in a byte of its own; they lie packed, every row from a new byte on. */
function unpackSamples({ width, height, depth, data }: DecodedPng): DecodedPng['data'] {
  if (depth >= 8) return data;
  const stride = Math.ceil((width * depth) / 8);
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const bit = (i % width) * depth;
    const byte = data[Math.floor(i / width) * stride + (bit >> 3)]!;
    return (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  });
}
