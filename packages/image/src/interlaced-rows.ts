// Adam7, PNG's interlacing (specification, section 8.1), of samples that share a byte.
import { unfilterRows } from './png-filter.ts';

/** Where each pass begins, and how far apart its pixels are. */
const passes = [
  { left: 0, top: 0, across: 8, down: 8 },
  { left: 4, top: 0, across: 8, down: 8 },
  { left: 0, top: 4, across: 4, down: 8 },
  { left: 2, top: 0, across: 4, down: 4 },
  { left: 0, top: 2, across: 2, down: 4 },
  { left: 1, top: 0, across: 2, down: 2 },
  { left: 0, top: 1, across: 1, down: 2 },
] as const;

/** The size of a picture with one sample in a pixel. */
export interface PackedSize {
  readonly width: number;
  readonly height: number;
  /** Bits in a sample: 1, 2 or 4. */
  readonly depth: number;
}

/** The passes that have pixels: a narrow or low picture has none in some. */
function* sizedPasses({ width, height, depth }: PackedSize) {
  for (const pass of passes) {
    const columns = Math.ceil((width - pass.left) / pass.across);
    const rows = Math.ceil((height - pass.top) / pass.down);
    if (columns > 0 && rows > 0) yield { ...pass, columns, rows, stride: Math.ceil((columns * depth) / 8) };
  }
}

/** How many bytes all passes have, the numbers of their filters among them. */
export function interlacedLength(size: PackedSize): number {
  return [...sizedPasses(size)].reduce((length, { rows, stride }) => length + rows * (stride + 1), 0);
}

/**
 * The rows of an interlaced picture from top to bottom, each behind the number 0 of the filter that changes nothing.
 * @param filtered the passes as they were packed, `interlacedLength` bytes
 * @throws {RangeError} if there is no such filter
 */
export function deinterlaceRows(filtered: Uint8Array, size: PackedSize): Uint8Array {
  const { width, height, depth } = size;
  const perByte = 8 / depth;
  const shiftOf = (x: number) => 8 - depth * (1 + (x % perByte));
  const mask = 2 ** depth - 1;
  const rowLength = 1 + Math.ceil(width / perByte);
  const sequential = new Uint8Array(height * rowLength);
  let offset = 0;
  for (const { left, top, across, down, columns, rows, stride } of sizedPasses(size)) {
    const end = offset + rows * (stride + 1);
    const pass = unfilterRows(filtered.subarray(offset, end), stride);
    offset = end;
    for (let row = 0; row < rows; row++) {
      const target = (top + row * down) * rowLength + 1;
      for (let column = 0; column < columns; column++) {
        const sample = (pass[row * stride + Math.floor(column / perByte)]! >> shiftOf(column)) & mask;
        const x = left + column * across;
        sequential[target + Math.floor(x / perByte)]! |= sample << shiftOf(x);
      }
    }
  }
  return sequential;
}
