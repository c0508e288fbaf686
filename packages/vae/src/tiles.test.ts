import { createRng } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { GroupStatistics, tilesOf } from './tiles.ts';

test('inner stretches cover the picture, and every margin that can be there is', () => {
  for (const [size, tileSize, margin] of [
    [100, 32, 4],
    [33, 32, 4],
    [32, 32, 4],
    [7, 3, 2],
  ] as const) {
    const tiles = tilesOf(size, tileSize, margin);
    expect(tiles.map(({ inner }) => inner.start)).toEqual([
      0,
      ...tiles.slice(0, -1).map(({ inner }) => inner.end),
    ]);
    expect(tiles.at(-1)!.inner.end).toBe(size);
    expect(new Set(tiles.map(({ outer }) => outer.end - outer.start)).size).toBe(1);
    for (const { inner, outer } of tiles) {
      expect(inner.end - inner.start).toBeLessThanOrEqual(tileSize);
      expect(outer.start).toBeLessThanOrEqual(Math.max(inner.start - margin, 0));
      expect(outer.end).toBeGreaterThanOrEqual(Math.min(inner.end + margin, size));
    }
  }
});

test('statistics of tiles make those of the whole', () => {
  const { data } = createRng({ kind: 'torch-cpu', seed: 3 }).normal([100]);
  const values = data.map((value) => 1000 + value);
  const momentsOf = (part: Float32Array) => {
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length;
    return { mean, variance: part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / part.length };
  };
  const statistics = new GroupStatistics(1);
  for (const [start, end] of [
    [0, 7],
    [7, 60],
    [60, 100],
  ] as const) {
    const { mean, variance } = momentsOf(values.subarray(start, end));
    statistics.add([mean], [variance], end - start);
  }
  const whole = momentsOf(values);
  expect(statistics.means[0]).toBeCloseTo(whole.mean, 3);
  expect(statistics.inverseDeviations(0.5)[0]).toBeCloseTo(1 / Math.sqrt(whole.variance + 0.5), 6);
});
