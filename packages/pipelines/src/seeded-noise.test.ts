import { cpuOps, createRng, type Tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { createSeededNoise, type SeedOptions } from './seeded-noise.ts';

const noiseOf = (options: SeedOptions, pictures = 1) => createSeededNoise(options, pictures, cpuOps);
const close = ({ data }: Tensor, expected: readonly number[]) => {
  expect(data).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(data[i]).toBeCloseTo(value, 5);
};

// torch 2.13: the steps of A1111's ImageRNG.first, with torch.randn on the CPU.
test('a variation seed is mixed in on the arc, column by column, as in A1111', () => {
  const noise = noiseOf({ seed: 1, variationSeed: 2, variationStrength: 0.3 });
  close(
    noise.start([1, 2, 3, 2], 8),
    [
      0.863985, 0.173902, -0.110591, -0.256058, 0.114265, -0.853756, -1.397611, 0.451155, -1.49809, -0.744065,
      -0.118522, 0.197595,
    ],
  );
  expect(noise.variationSeeds).toEqual([2]);
});

test.each<[string, SeedOptions, number[]]>([
  [
    'taller and narrower',
    { seed: 1, seedResizeFrom: { width: 16, height: 32 } },
    [
      0.661352, 0.061677, 0.621317, 0.621317, -0.451906, -0.16613, -0.451906, -0.16613, -1.027609, -0.563053,
      -0.892291, -0.05825, -0.19551, -0.965636, 0.422415,
    ],
  ],
  [
    'wider and lower, with a variation',
    { seed: 1, seedResizeFrom: { width: 64, height: 16 }, variationSeed: 2, variationStrength: 0.5 },
    [
      -1.005385, -1.360074, -1.087298, 0.872375, -0.451906, -0.692437, -0.24337, 0.647406, 1.459519,
      -0.563053, -0.892291, -0.05825, -0.19551, -0.965636, 0.422415,
    ],
  ],
])('the seed of a picture that was %s keeps its middle', (_, options, expected) => {
  const noise = noiseOf(options);
  const start = noise.start([1, 1, 3, 5], 8);
  if (options.variationSeed === undefined) close(start, expected);
  // The rest is drawn as without.
  close(noise.step([1, 2]), [0.267317, -0.421195]);
  expect(start.dims).toEqual([1, 1, 3, 5]);
  close(start, expected);
});

test('one seed draws for all pictures at once, several each for their own', () => {
  const together = noiseOf({ seed: 3 }, 2).start([2, 1, 4, 5], 8);
  expect(together).toEqual(createRng({ kind: 'torch-cpu', seed: 3 }).normal([2, 1, 4, 5]));
  const apart = noiseOf({ seed: [3, 9] }, 2).start([2, 1, 4, 5], 8);
  expect(cpuOps.slice(apart, 1, 2)).toEqual(createRng({ kind: 'torch-cpu', seed: 9 }).normal([1, 1, 4, 5]));
});

test('seeds count up, above 2^53 too; with a variation the variation counts up instead', () => {
  expect(noiseOf({ seed: 2n ** 60n, seedPerImage: true }, 2).seeds).toEqual([2n ** 60n, 2n ** 60n + 1n]);
  const varied = { seed: 3, seedPerImage: true, variationSeed: 7, variationStrength: 0.4 };
  const both = noiseOf(varied, 2);
  expect(both.seeds).toEqual([3, 3]);
  const second = noiseOf({ ...varied, variationSeed: 8 }).start([1, 1, 4, 4], 8);
  expect(cpuOps.slice(both.start([2, 1, 4, 4], 8), 1, 2)).toEqual(second);
});

test('a variation of full strength is the other seed, one of the same seed changes nothing', () => {
  const options = { seed: 3, variationStrength: 1 };
  const other = noiseOf({ seed: 7 }).start([1, 1, 4, 4], 8);
  close(noiseOf({ ...options, variationSeed: 7 }).start([1, 1, 4, 4], 8), [...other.data]);
  expect(noiseOf({ ...options, variationSeed: 3 }).start([1, 1, 4, 4], 8)).toEqual(
    noiseOf({ seed: 3 }).start([1, 1, 4, 4], 8),
  );
});

test('the later noise is that of the seed and its delta', () => {
  const noise = noiseOf({ seed: 3, etaNoiseSeedDelta: 31337 });
  noise.start([1, 1, 4, 5], 8);
  expect(noise.step([1, 1, 4, 5])).toEqual(
    createRng({ kind: 'torch-cpu', seed: 31340 }).normal([1, 1, 4, 5]),
  );
});

test('other generators draw their own numbers', () => {
  expect(noiseOf({ seed: 3, rng: 'torch-cuda' }).start([1, 1, 4, 5], 8)).toEqual(
    createRng({ kind: 'torch-cuda', seed: 3 }).normal([1, 1, 4, 5]),
  );
});

test.each<[SeedOptions, string]>([
  [{ seed: [1] }, 'seed: 1 came for 2 pictures. Give one for all or one for each.'],
  [{ seed: 0.5 }, 'createRng: seed is 0.5, which is not an exact integer.'],
  [{ variationStrength: -1 }, 'variationStrength is -1. Give a number from 0 to 1; 0 is off.'],
  [{ etaNoiseSeedDelta: 0.5 }, 'etaNoiseSeedDelta is 0.5. Give an integer; 0 is off.'],
])('%o is refused', (options, message) => {
  expect(() => noiseOf({ ...options }, 2)).toThrow(message);
});

test('a size to resize the seed from has at least one latent', () => {
  const noise = noiseOf({ seed: 1, seedResizeFrom: { width: 7, height: 64 } });
  expect(() => noise.start([1, 4, 8, 8], 8)).toThrow(
    'seedResizeFrom: width is 7. Give the width in pixels of the picture that the seed was used for, at least 8.',
  );
});
