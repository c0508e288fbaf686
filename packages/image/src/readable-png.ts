// PNG files that are sound but that fast-png 8 misreads, rewritten into such as it reads.
import { unzlibSync, zlibSync } from 'fflate';
import { deinterlaceRows, interlacedLength } from './interlaced-rows.ts';
import { encodeChunk, isIntact, joinBytes, pngSignature, readChunks } from './png-chunk.ts';

const indexed = 3;

/** The most that deflate packs into a byte. */
const bestPacking = 1032;

/**
 * The same picture for fast-png: not interlaced if samples share a byte, since it takes each for a whole one; and without
 * what it mistakes unless colours are indices, where nothing is lost: a palette, which is but a suggestion then, and the
 * colour that stands for transparency, of which it wants no more numbers than there are pixels.
 * @returns the bytes that were given, if there is nothing to rewrite
 * @throws {RangeError} if what is to be rewritten is damaged
 */
export function makeReadable(png: Uint8Array): Uint8Array {
  const chunks = [...readChunks(png)];
  const header = chunks[0];
  if (header?.type !== 'IHDR' || header.data.length !== 13) return png;
  const signature = png.subarray(0, pngSignature.length);
  const view = new DataView(header.data.buffer, header.data.byteOffset, 13);
  const depth = header.data[8]!;
  const colourType = header.data[9]!;
  const isInterlaced = header.data[12] === 1 && [1, 2, 4].includes(depth);
  const misread = colourType === indexed ? [] : ['PLTE', 'tRNS'];
  if (!isInterlaced && !chunks.some(({ type }) => misread.includes(type))) return png;
  const kept = chunks.filter(({ type }) => !misread.includes(type));
  if (!isInterlaced) return joinBytes(signature, ...kept.map(({ bytes }) => bytes));
  const size = { width: view.getUint32(0), height: view.getUint32(4), depth };
  const packed = kept.filter(({ type }) => type === 'IDAT');
  if (![header, ...packed].every(({ bytes }) => isIntact(bytes))) throw new RangeError('a checksum is wrong');
  const rows = deinterlaceRows(
    unpackRows(joinBytes(...packed.map(({ data }) => data)), interlacedLength(size)),
    size,
  );
  const plainHeader = header.data.slice();
  plainHeader[12] = 0;
  return joinBytes(
    signature,
    encodeChunk('IHDR', plainHeader),
    ...kept.filter(({ type }) => !['IHDR', 'IDAT', 'IEND'].includes(type)).map(({ bytes }) => bytes),
    encodeChunk('IDAT', zlibSync(rows, { level: 0 })),
    ...kept.filter(({ type }) => type === 'IEND').map(({ bytes }) => bytes),
  );
}

function unpackRows(packed: Uint8Array, length: number): Uint8Array {
  // A size that the bytes cannot hold is not worth the memory.
  const isPossible = length <= packed.length * bestPacking;
  const rows = isPossible ? unzlibSync(packed, { out: new Uint8Array(length) }) : packed;
  if (!isPossible || rows.length < length)
    throw new RangeError(`there are fewer than ${length} bytes of pixels`);
  return rows;
}
