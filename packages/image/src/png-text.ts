// The text of a PNG: its chunks tEXt, zTXt and iTXt (PNG specification, third edition, section 11.3.3).
import { unzlibSync } from 'fflate';
import { ImageError } from './errors.ts';
import { encodeChunk, fromLatin1, joinBytes, pngSignature, readChunks, toLatin1 } from './png-chunk.ts';

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Printable Latin-1 and line feeds: what tEXt can hold. Anything else is UTF-8 in an iTXt. */
const latin1 = /^[\n\x20-\x7e\xa1-\xff]*$/;
const validKeyword = /^(?! )(?!.* {2})[\x20-\x7e\xa1-\xff]{1,79}(?<! )$/;

/** A text as a chunk. @throws {ImageError} if PNG does not allow the keyword */
export function encodeText(keyword: string, text: string): Uint8Array {
  if (!validKeyword.test(keyword)) {
    throw new ImageError(
      `png: "${keyword}" is no keyword for text. Take 1 to 79 Latin-1 characters, without spaces at its ends or two in a row.`,
    );
  }
  const name = toLatin1(keyword);
  if (latin1.test(text)) return encodeChunk('tEXt', joinBytes(name, Uint8Array.of(0), toLatin1(text)));
  // No compression, no language, no translated keyword.
  return encodeChunk('iTXt', joinBytes(name, Uint8Array.of(0, 0, 0, 0, 0), utf8.encode(text)));
}

/** The parts of chunk data between zero bytes: `count` of them, the last with all that is left. */
function splitAtZeros(data: Uint8Array, count: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let start = 0;
  while (parts.length < count - 1) {
    const end = data.indexOf(0, start);
    if (end < 0) break;
    parts.push(data.subarray(start, end));
    start = end + 1;
  }
  return [...parts, data.subarray(start)];
}

/** Longest text that is unpacked: settings are a few kilobytes, a flood of zeros is an attack. */
const longestText = 16 * 2 ** 20;

function unpack(bytes: Uint8Array): Uint8Array {
  return unzlibSync(bytes, { out: new Uint8Array(Math.min(bytes.length * 1040, longestText)) });
}

/** The text in a chunk; undefined if it holds none. */
function readText(type: string, data: Uint8Array): [keyword: string, text: string] | undefined {
  if (!['tEXt', 'zTXt', 'iTXt'].includes(type)) return undefined;
  const [keyword, rest] = splitAtZeros(data, 2);
  if (!keyword || !rest) return undefined;
  if (type === 'tEXt') return [fromLatin1(keyword), fromLatin1(rest)];
  if (type === 'zTXt') return [fromLatin1(keyword), fromLatin1(unpack(rest.subarray(1)))];
  const text = splitAtZeros(rest.subarray(2), 3)[2];
  return text && [fromLatin1(keyword), fromUtf8.decode(rest[0] === 1 ? unpack(text) : text)];
}

/**
 * The texts of a PNG by keyword, without decoding the picture.
 * @throws {ImageError} if the bytes do not begin as a PNG does
 */
export function readPngText(png: Uint8Array): Record<string, string> {
  if (pngSignature.some((byte, i) => png[i] !== byte)) {
    throw new ImageError('png: the bytes are not a PNG file. Give another file.');
  }
  return extractText(png);
}

/** The texts of a PNG by keyword; a text that is damaged is left out, the picture is none the worse. */
export function extractText(png: Uint8Array): Record<string, string> {
  const texts: [keyword: string, text: string][] = [];
  for (const { type, data } of readChunks(png)) {
    try {
      const text = readText(type, data);
      if (text) texts.push(text);
    } catch {
      // A broken zlib stream: as said above.
    }
  }
  return Object.fromEntries(texts);
}
