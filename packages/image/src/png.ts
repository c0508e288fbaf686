// PNG files with text in them.
import { convertIndexedToRgb, type DecodedPng, decode, encode } from 'fast-png';
import { ImageError } from './errors.ts';
import { extractText, insertText } from './png-text.ts';
import type { RgbImage } from './rgb-image.ts';

export interface EncodePngOptions {
  /** Texts by keyword; A1111's settings go under `parameters`. Any Unicode is kept. */
  readonly text?: Readonly<Record<string, string>>;
}

/** The bytes of a PNG file. @throws {ImageError} if a keyword is not one that PNG allows */
export function encodePng(
  { width, height, channels, data }: RgbImage,
  { text = {} }: EncodePngOptions = {},
): Uint8Array {
  return insertText(encode({ width, height, channels, data }), text);
}

/**
 * Reads a PNG file of any colour type and depth; 16-bit samples lose their lower half.
 * @returns the picture, and its texts by keyword
 * @throws {ImageError} if the bytes are no PNG, or a damaged one
 */
export function decodePng(bytes: Uint8Array): { image: RgbImage; text: Record<string, string> } {
  let png: DecodedPng;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError(
      `png: the bytes are not a PNG file, or a damaged one (${reason}). Give another file.`,
      { cause },
    );
  }
  return { image: toRgb(png), text: extractText(bytes) };
}

function toRgb(png: DecodedPng): RgbImage {
  const { width, height, palette } = png;
  const samples = palette ? convertIndexedToRgb(png) : png.data;
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
