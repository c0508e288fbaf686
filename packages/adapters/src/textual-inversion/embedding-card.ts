// Embeddings in pictures, as A1111 saves them: in the picture's text, or hidden in columns at its sides
// (modules/textual_inversion/image_embedding.py).
import type { Folder } from '@emulsion/checkpoints';
import { decodePng, type RgbImage } from '@emulsion/image';
import { sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import { unzlibSync } from 'fflate';

/** The keyword of the text. */
const keyword = 'sd-ti-embedding';

const pngSignature = [0x89, 0x50, 0x4e, 0x47];

/** Whether a file is a PNG, and so may be a card. */
export async function isPngFile(folder: Folder, path: string): Promise<boolean> {
  const length = Math.min(await folder.size(path), pngSignature.length);
  const start = await folder.read(path, { offset: 0, length });
  return pngSignature.every((byte, i) => start[i] === byte);
}

/** Longest JSON that is unpacked: 75 vectors of 1280 numbers are 2 MB. */
const longestJson = 32 * 2 ** 20;

/**
 * A1111's dict in a PNG: maps for dicts, tensors for `{ TORCHTENSOR: … }`.
 * @returns `undefined` if the picture has none
 * @throws {ImageError} if the bytes are no PNG, or a damaged one; {SyntaxError} if what its text holds is
 */
export function readEmbeddingCard(png: Uint8Array): ReadonlyMap<string, unknown> | undefined {
  const { image, text } = decodePng(png);
  const encoded = text[keyword];
  const json = encoded === undefined ? hiddenText(image) : fromBase64(encoded);
  if (json === undefined) return undefined;
  const root = withTensors(JSON.parse(json));
  return root instanceof Map ? root : undefined;
}

function fromBase64(encoded: string): string {
  let bytes: string;
  try {
    bytes = atob(encoded.trim());
  } catch (cause) {
    throw new SyntaxError('it is not base64', { cause });
  }
  return new TextDecoder().decode(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}

/** How deep the dict's tensors lie: in `string_to_param` of the root. */
const deepest = 2;

/** JSON with its objects as maps, and those of tensors as tensors. */
function withTensors(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > deepest) return value;
  if ('TORCHTENSOR' in value) return tensorOf(value.TORCHTENSOR);
  return new Map(Object.entries(value).map(([key, inner]) => [key, withTensors(inner, depth + 1)]));
}

/** A list of numbers, or of lists of numbers, as a tensor. */
function tensorOf(list: unknown): Tensor {
  const rows: readonly unknown[] = Array.isArray(list) ? list : [];
  const [first] = rows;
  const dims = Array.isArray(first) ? [rows.length, first.length] : [rows.length];
  const numbers = rows.flat();
  if (numbers.length !== sizeOf(dims) || !numbers.every((number) => typeof number === 'number'))
    throw new SyntaxError('its tensor is none');
  return tensor(numbers, dims);
}

/**
 * The text that is hidden in the lower four bits of a picture's samples: the columns up to the first black one have the
 * lower halves of its bytes, those behind the last black one the upper halves. It is deflated, and scrambled.
 */
function hiddenText(image: RgbImage): string | undefined {
  const nibbles = lowNibbles(image);
  const black = Array.from({ length: nibbles.width }, (_, x) => x).filter((x) => isBlack(nibbles, x));
  if (black.length < 2) return undefined;
  const lower = columns(nibbles, 0, black[0]!);
  const upper = columns(nibbles, black.at(-1)! + 1, nibbles.width);
  if (lower.length === 0 || lower.length !== upper.length) return undefined;
  unscramble(lower);
  unscramble(upper);
  const bytes = lower.map((low, i) => (upper[i]! << 4) | low);
  try {
    // Behind the end of the stream its beginning is repeated, to fill the columns.
    const json = unzlibSync(bytes, { out: new Uint8Array(Math.min(bytes.length * 1040, longestJson)) });
    return new TextDecoder('utf-8', { fatal: true }).decode(json);
  } catch {
    return undefined; // columns that happen to be black
  }
}

/** Three samples of four bits for each pixel. */
interface Nibbles {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The lower halves of the samples, without the rows and columns at the edges in which no pixel has all three colours. */
function lowNibbles({ width, height, channels, data }: RgbImage): Nibbles {
  const isLit = (x: number, y: number) => {
    const at = (y * width + x) * channels;
    return data[at]! > 0 && data[at + 1]! > 0 && data[at + 2]! > 0;
  };
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!isLit(x, y)) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  }
  const [croppedWidth, croppedHeight] = [Math.max(right - left, 0), Math.max(bottom - top, 0)];
  const nibbles = new Uint8Array(croppedWidth * croppedHeight * 3);
  for (let i = 0; i < nibbles.length; i++) {
    const pixel = Math.floor(i / 3);
    const [x, y] = [left + (pixel % croppedWidth), top + Math.floor(pixel / croppedWidth)];
    nibbles[i] = data[(y * width + x) * channels + (i % 3)]! & 0x0f;
  }
  return { width: croppedWidth, height: croppedHeight, data: nibbles };
}

function isBlack({ width, height, data }: Nibbles, x: number): boolean {
  for (let y = 0; y < height; y++) {
    const at = (y * width + x) * 3;
    if (data[at]! + data[at + 1]! + data[at + 2]! > 0) return false;
  }
  return true;
}

function columns({ width, height, data }: Nibbles, start: number, end: number): Uint8Array {
  const part = new Uint8Array((end - start) * height * 3);
  for (let y = 0; y < height; y++) {
    const row = data.subarray((y * width + start) * 3, (y * width + end) * 3);
    part.set(row, y * (end - start) * 3);
  }
  return part;
}

/** Takes away what a linear congruential generator has mixed in. */
function unscramble(nibbles: Uint8Array): void {
  let state = 0;
  for (let i = 0; i < nibbles.length; i++) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    nibbles[i]! ^= (state % 255) & 0x0f;
  }
}
