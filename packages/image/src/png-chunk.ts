// The chunks that a PNG is made of (specification, section 5): length, type, data, checksum.

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

/** What a PNG starts with. */
export const pngSignature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Latin-1 bytes as text: unlike `TextDecoder`'s "latin1", which is Windows-1252, for all 256 bytes. */
export const fromLatin1 = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
export const toLatin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Bytes one after the other. */
export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** A chunk as it stands in the file. */
export function encodeChunk(type: string, data: Uint8Array): Uint8Array {
  const chunk = joinBytes(new Uint8Array(4), toLatin1(type), data, new Uint8Array(4));
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  view.setUint32(chunk.length - 4, crc32(chunk.subarray(4, -4)));
  return chunk;
}

/** Whether the checksum of a chunk is that of what it holds. */
export function isIntact(chunk: Uint8Array): boolean {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return view.getUint32(chunk.length - 4) === crc32(chunk.subarray(4, -4));
}

/** A chunk of a file. */
interface PngChunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** All of it: length, type, data and checksum. */
  readonly bytes: Uint8Array;
}

/** The whole chunks of a PNG, in their order; what is cut off at its end is left out. */
export function* readChunks(png: Uint8Array): Generator<PngChunk> {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  let offset = pngSignature.length;
  while (offset + 12 <= png.length) {
    const length = view.getUint32(offset);
    const end = offset + 8 + length;
    if (end + 4 > png.length) return;
    yield {
      type: fromLatin1(png.subarray(offset + 4, offset + 8)),
      data: png.subarray(offset + 8, end),
      bytes: png.subarray(offset, end + 4),
    };
    offset = end + 4;
  }
}
