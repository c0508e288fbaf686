// A picture of activations that grows and goes band by band, so that two of them need not be whole at once.
import { type Tensor, zeros } from '@emulsion/tensor';
import type { Stretch } from './tiles.ts';

interface Band {
  readonly rows: Stretch;
  readonly tensor: Tensor;
  /** Whether its memory belongs to nobody else. */
  readonly own: boolean;
}

/** A picture `[1, channels, height, width]`, kept as bands of rows from top to bottom. */
export class BandedPicture {
  readonly channels: number;
  readonly width: number;
  #height = 0;
  #bands: Band[] = [];

  constructor(channels: number, width: number) {
    this.channels = channels;
    this.width = width;
  }

  /** Rows so far, those that are gone included. */
  get height(): number {
    return this.#height;
  }

  /** Takes rows `[1, channels, rows, width]` of somebody else in below the others. */
  add(tensor: Tensor): void {
    this.#append(tensor, false);
  }

  /** New rows below the others, zeros at first: `[1, channels, rows, width]`. */
  grow(rows: number): Tensor {
    return this.#append(zeros([1, this.channels, rows, this.width]), true);
  }

  #append(tensor: Tensor, own: boolean): Tensor {
    const start = this.#height;
    this.#height += tensor.dims[2]!;
    this.#bands.push({ rows: { start, end: this.#height }, tensor, own });
    return tensor;
  }

  /** Writes the part in `rows` and `columns` to `target`, `[channels, rows, columns]`. */
  cut(rows: Stretch, columns: Stretch, target: Float32Array): void {
    const [length, width] = [rows.end - rows.start, columns.end - columns.start];
    for (const { rows: own, tensor } of this.#bands) {
      const height = own.end - own.start;
      for (let row = Math.max(rows.start, own.start); row < Math.min(rows.end, own.end); row++) {
        for (let channel = 0; channel < this.channels; channel++) {
          const line = (channel * height + row - own.start) * this.width;
          const part = tensor.data.subarray(line + columns.start, line + columns.end);
          target.set(part, (channel * length + row - rows.start) * width);
        }
      }
    }
  }

  /**
   * Gives up the bands above `row`. The memory of own ones is free at once: waiting for the garbage collector would keep
   * them all.
   */
  release(row: number): void {
    for (const { rows, tensor, own } of this.#bands) {
      if (own && rows.end <= row) free(tensor.data.buffer);
    }
    this.#bands = this.#bands.filter(({ rows }) => rows.end > row);
  }

  /** The whole picture. */
  toTensor(): Tensor {
    const whole = zeros([1, this.channels, this.#height, this.width]);
    this.cut({ start: 0, end: this.#height }, { start: 0, end: this.width }, whole.data);
    return whole;
  }
}

/** Frees a buffer by moving none of it (ES2024), where the engine can. */
function free(buffer: ArrayBufferLike & { transfer?: (length: number) => ArrayBuffer }): void {
  buffer.transfer?.(0);
}

/** Writes `tile` `[1, channels, height, …]` into `band` `[1, channels, height, width]` from `column` on. */
export function paste(band: Tensor, tile: Tensor, column: number): void {
  const [, channels = 0, height = 0, width = 0] = band.dims;
  const tileWidth = tile.dims[3]!;
  for (let line = 0; line < channels * height; line++)
    band.data.set(tile.data.subarray(line * tileWidth, (line + 1) * tileWidth), line * width + column);
}
