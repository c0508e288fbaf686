// Resizing the last two axes of a tensor, as torch's `interpolate` with `align_corners=False` does.
import { InvalidArgumentError, ShapeError } from './errors.ts';
import { sizeOf, type Tensor, tensor } from './tensor.ts';

/** How values between the elements are found. */
export const interpolationModes = ['nearest', 'nearest-exact', 'bilinear', 'bicubic'] as const;
export type InterpolationMode = (typeof interpolationModes)[number];

/** Where one element of the result comes from, along one axis: up to four indices of the source and their weights. */
export type Taps = readonly (readonly [index: number, weight: number])[];

/** What the two axes of a result are made of. */
export interface Resizing {
  readonly rows: readonly Taps[];
  readonly columns: readonly Taps[];
  readonly dims: readonly number[];
}

/** The cubic convolution of Keys (1981) with a = -0.75. */
function cubicWeights(t: number): readonly number[] {
  const a = -0.75;
  const near = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}

/** The taps of one axis. */
function axisTaps(from: number, to: number, mode: InterpolationMode): Taps[] {
  const scale = from / to;
  const clamp = (index: number) => Math.min(Math.max(index, 0), from - 1);
  return Array.from({ length: to }, (_, i): Taps => {
    if (mode === 'nearest') return [[clamp(Math.floor(i * scale)), 1]];
    if (mode === 'nearest-exact') return [[clamp(Math.floor((i + 0.5) * scale)), 1]];
    const position = (i + 0.5) * scale - 0.5;
    if (mode === 'bilinear') {
      const inside = Math.max(position, 0);
      const below = Math.floor(inside);
      return [
        [clamp(below), 1 - (inside - below)],
        [clamp(below + 1), inside - below],
      ];
    }
    const below = Math.floor(position);
    return cubicWeights(position - below).map((weight, k) => [clamp(below - 1 + k), weight] as const);
  });
}

/**
 * How a tensor of these dims is resized.
 * @throws {ShapeError} if it has fewer than two axes
 * @throws {InvalidArgumentError} if a size is not an integer of at least 1
 */
export function resizing(
  dims: readonly number[],
  height: number,
  width: number,
  mode: InterpolationMode,
): Resizing {
  const [fromHeight, fromWidth] = dims.slice(-2);
  if (fromHeight === undefined || fromWidth === undefined) {
    throw new ShapeError(
      `interpolate: [${dims.join(', ')}] has no two axes to resize. Give [..., height, width].`,
    );
  }
  if (![height, width].every((size) => Number.isInteger(size) && size >= 1)) {
    throw new InvalidArgumentError(
      `interpolate: the size is ${height} x ${width}. Give integers of at least 1.`,
    );
  }
  return {
    rows: axisTaps(fromHeight, height, mode),
    columns: axisTaps(fromWidth, width, mode),
    dims: [...dims.slice(0, -2), height, width],
  };
}

/** The tensor with its last two axes resized. @throws the errors of `resizing` */
export function interpolate(x: Tensor, height: number, width: number, mode: InterpolationMode): Tensor {
  const { rows, columns, dims } = resizing(x.dims, height, width, mode);
  const [fromHeight, fromWidth] = x.dims.slice(-2) as [number, number]; // it was asked for them
  const planes = sizeOf(dims.slice(0, -2));
  const resized = new Float32Array(sizeOf(dims));
  let target = 0;
  for (let plane = 0; plane < planes; plane++) {
    const start = plane * fromHeight * fromWidth;
    for (const row of rows) {
      for (const column of columns) {
        let sum = 0;
        for (const [i, weightRow] of row) {
          for (const [j, weight] of column) sum += weightRow * weight * x.data[start + i * fromWidth + j]!;
        }
        resized[target++] = sum;
      }
    }
  }
  return tensor(resized, dims);
}
