// The text of a PNG: its chunks tEXt, zTXt and iTXt (PNG specification, third edition, section 11.3.3).
import { unzlibSync } from 'fflate';
import { ImageError } from './errors.ts';

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();
const fromLatin1 = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
const toLatin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** A chunk: its length, type, data and checksum. */
export function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = join(toLatin1(type), data);
  const framed = join(new Uint8Array(4), body, new Uint8Array(4));
  const view = new DataView(framed.buffer);
  view.setUint32(0, data.length);
  view.setUint32(framed.length - 4, crc32(body));
  return framed;
}

/** Printable Latin-1 and line feeds: what tEXt can hold. Anything else is UTF-8 in an iTXt. */
const latin1 = /^[\n\x20-\x7e\xa1-\xff]*$/;
const validKeyword = /^(?! )(?!.* {2})[\x20-\x7e\xa1-\xff]{1,79}(?<! )$/;

function textChunk(keyword: string, text: string): Uint8Array {
  if (!validKeyword.test(keyword)) {
    throw new ImageError(
      `png: "${keyword}" is no keyword for text. Take 1 to 79 Latin-1 characters, without spaces at its ends or two in a row.`,
    );
  }
  const name = toLatin1(keyword);
  if (latin1.test(text)) return chunk('tEXt', join(name, Uint8Array.of(0), toLatin1(text)));
  // No compression, no language, no translated keyword.
  return chunk('iTXt', join(name, Uint8Array.of(0, 0, 0, 0, 0), utf8.encode(text)));
}

const signatureLength = 8;
const headerLength = 25;

/** The PNG with text chunks after its header. @throws {ImageError} if a keyword is not one */
export function insertText(png: Uint8Array, text: Readonly<Record<string, string>>): Uint8Array {
  const chunks = Object.entries(text).map(([keyword, value]) => textChunk(keyword, value));
  const start = signatureLength + headerLength;
  return join(png.subarray(0, start), ...chunks, png.subarray(start));
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

function readText(type: string, data: Uint8Array): [keyword: string, text: string] | undefined {
  const [keyword, rest] = splitAtZeros(data, 2);
  if (!keyword || !rest) return undefined;
  if (type === 'tEXt') return [fromLatin1(keyword), fromLatin1(rest)];
  if (type === 'zTXt') return [fromLatin1(keyword), fromLatin1(unpack(rest.subarray(1)))];
  const text = splitAtZeros(rest.subarray(2), 3)[2];
  return text && [fromLatin1(keyword), fromUtf8.decode(rest[0] === 1 ? unpack(text) : text)];
}

/** The texts of a PNG by keyword; a text that is damaged is left out, the picture is none the worse. */
export function extractText(png: Uint8Array): Record<string, string> {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const texts: Record<string, string> = {};
  let offset = signatureLength;
  while (offset + 12 <= png.length) {
    const length = view.getUint32(offset);
    const type = fromLatin1(png.subarray(offset + 4, offset + 8));
    if (offset + 12 + length > png.length) break;
    if (['tEXt', 'zTXt', 'iTXt'].includes(type)) {
      try {
        const found = readText(type, png.subarray(offset + 8, offset + 8 + length));
        if (found) texts[found[0]] = found[1];
      } catch {
        // A broken zlib stream: as said above.
      }
    }
    offset += 12 + length;
  }
  return texts;
}
