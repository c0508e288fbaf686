// How a picture is cut into tiles, and how the statistics of its tiles make those of the whole.
/** A stretch of rows or columns: `start` (included) to `end` (excluded). */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** One tile along one axis. */
export interface Tile {
  /** What it gives; the tiles' inner stretches lie side by side and cover the picture. */
  readonly inner: Stretch;
  /** What it is made from: the inner stretch with a margin, as far as the picture goes. */
  readonly outer: Stretch;
}

/**
 * Cuts `size` rows or columns into tiles of about `tileSize`, all with outer stretches of one length, so that memory that
 * one tile needed serves for the next.
 */
export function tilesOf(size: number, tileSize: number, margin: number): Tile[] {
  const count = Math.ceil(size / tileSize);
  const length = Math.min(Math.ceil(size / count) + 2 * margin, size);
  return Array.from({ length: count }, (_, i) => {
    const inner = { start: Math.floor((i * size) / count), end: Math.floor(((i + 1) * size) / count) };
    const start = Math.min(Math.max(inner.start - margin, 0), size - length);
    return { inner, outer: { start, end: start + length } };
  });
}

/** A tile of a stage along one axis: where it lies in what comes, in what is computed, and in what is given. */
export interface TileSpan {
  /** In the picture that comes, with a margin. */
  readonly outer: Stretch;
  /** Without the margin: in the tile at the size that norms work at, and in the tile as it is given. */
  readonly inner: Stretch;
  readonly given: Stretch;
  /** In the picture that is given. */
  readonly target: Stretch;
}

const scaled = ({ start, end }: Stretch, factor: number, from = 0): Stretch => ({
  start: factor * (start - from),
  end: factor * (end - from),
});

/** The tiles of a stage that enlarges `size` rows or columns twice and then computes. @param margin before it does */
export const enlargingSpans = (size: number, tileSize: number, margin: number): TileSpan[] =>
  tilesOf(size, Math.ceil(tileSize / 2), margin).map(({ inner, outer }) => {
    const enlarged = scaled(inner, 2, outer.start);
    return { outer, inner: enlarged, given: enlarged, target: scaled(inner, 2) };
  });

/** The tiles of a stage that computes and then halves an even `size`. @param margin before it does */
export const halvingSpans = (size: number, tileSize: number, margin: number): TileSpan[] =>
  tilesOf(size / 2, Math.ceil(tileSize / 2), Math.ceil(margin / 2)).map(({ inner, outer }) => ({
    outer: scaled(outer, 2),
    inner: scaled(inner, 2, outer.start),
    given: scaled(inner, 1, outer.start),
    target: inner,
  }));

/** Mean and variance of each group of a picture, from those of its tiles (Chan et al. 1979), in float64. */
export class GroupStatistics {
  readonly #means: Float64Array;
  /** Sums of squared distances from the mean. */
  readonly #squares: Float64Array;
  #count = 0;

  constructor(groups: number) {
    this.#means = new Float64Array(groups);
    this.#squares = new Float64Array(groups);
  }

  /** Takes a tile in. @param count its elements in a group, or anything in proportion to them */
  add(means: ArrayLike<number>, variances: ArrayLike<number>, count: number): void {
    const total = this.#count + count;
    for (let group = 0; group < this.#means.length; group++) {
      const distance = means[group]! - this.#means[group]!;
      this.#squares[group]! += variances[group]! * count + (distance ** 2 * this.#count * count) / total;
      this.#means[group]! += (distance * count) / total;
    }
    this.#count = total;
  }

  get means(): Float32Array {
    return Float32Array.from(this.#means);
  }

  /** 1 / √(variance + ε) of each group. */
  inverseDeviations(epsilon: number): Float32Array {
    return Float32Array.from(this.#squares, (sum) => 1 / Math.sqrt(sum / this.#count + epsilon));
  }
}
