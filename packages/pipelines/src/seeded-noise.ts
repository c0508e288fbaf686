// The noise of a request's pictures, drawn from seeds as diffusers or A1111 draw it.
import { createRng, InvalidArgumentError, type RngKind, type Tensor, type TensorOps } from '@emulsion/tensor';
import { pasteCenter } from './paste-center.ts';
import { slerp } from './slerp.ts';

/** An integer, 0 included; a bigint where a number is not exact. */
export type Seed = number | bigint;

/** What the noise is drawn from. */
export interface SeedOptions {
  /**
   * A random one unless given. With one seed, one generator draws the noise of all pictures, as in diffusers. A list
   * gives each picture a generator of its own: the picture is then the one that its seed gives alone.
   */
  readonly seed?: Seed | readonly Seed[] | undefined;
  /** Gives the pictures the seeds `seed`, `seed + 1`, …, as A1111 does, each with a generator of its own. */
  readonly seedPerImage?: boolean | undefined;
  /** Whose random numbers: `torch-cpu` unless said otherwise. A1111's CPU is `torch-cpu`, its GPU and NV are `torch-cuda`. */
  readonly rng?: RngKind | undefined;
  /** The seed of a second draw that is mixed into the first noise; a random one unless given. Each picture with its own generator has the next. */
  readonly variationSeed?: Seed | undefined;
  /** How much of the second draw is mixed in, 0 to 1; 0 unless said otherwise. Seeds then do not count up with `seedPerImage`. */
  readonly variationStrength?: number | undefined;
  /** Keeps the middle of the noise that the seed gives for a picture of this size, in pixels. */
  readonly seedResizeFrom?: { readonly width: number; readonly height: number } | undefined;
  /** Added to the seed for the noise of stochastic samplers (A1111's ENSD); 0 unless said otherwise. */
  readonly etaNoiseSeedDelta?: number | undefined;
}

/** Where the noise of the pictures comes from. */
export interface SeededNoise {
  /** One for each picture, or a single one that all were drawn with. */
  readonly seeds: readonly Seed[];
  /** As many, if variations are mixed in. */
  readonly variationSeeds: readonly Seed[] | undefined;
  /** Whether each picture has a generator of its own. */
  readonly perImage: boolean;
  /** Draws of variance 1 of the next in the row, `[pictures, …]`. */
  draw(dims: readonly number[]): Tensor;
  /**
   * The noise to start from: a draw, with what was asked of variations and sizes.
   * @param dims `[pictures, channels, height, width]` of the latents
   * @param scale pixels a latent
   */
  start(dims: readonly number[], scale: number): Tensor;
  /** Draws for the steps of a sampler. */
  step(dims: readonly number[]): Tensor;
}

const randomSeed = () => Math.floor(Math.random() * 2 ** 32);

const plus = (seed: Seed, offset: number): Seed =>
  typeof seed === 'bigint' ? seed + BigInt(offset) : seed + offset;

/**
 * Makes the noise of a request.
 * @param pictures how many are painted
 * @throws {InvalidArgumentError} if a seed is no integer of the generator's range, if a list has another length, or a
 * strength or size makes no sense
 */
export function createSeededNoise(options: SeedOptions, pictures: number, ops: TensorOps): SeededNoise {
  const { rng: kind = 'torch-cpu', variationStrength = 0, seedResizeFrom, etaNoiseSeedDelta = 0 } = options;
  if (!(variationStrength >= 0 && variationStrength <= 1)) {
    throw new InvalidArgumentError(
      `variationStrength is ${variationStrength}. Give a number from 0 to 1; 0 is off.`,
    );
  }
  if (!Number.isSafeInteger(etaNoiseSeedDelta)) {
    throw new InvalidArgumentError(`etaNoiseSeedDelta is ${etaNoiseSeedDelta}. Give an integer; 0 is off.`);
  }
  const seeds = seedsOf(options, pictures);
  const perImage = options.seedPerImage === true || Array.isArray(options.seed);
  const generatorsOf = (own: readonly Seed[]) => own.map((seed) => createRng({ kind, seed }));
  const streams = generatorsOf(seeds);
  const stepStreams =
    etaNoiseSeedDelta === 0 ? streams : generatorsOf(seeds.map((seed) => plus(seed, etaNoiseSeedDelta)));
  const variationSeeds = variationStrength > 0 ? variationSeedsOf(options, seeds.length) : undefined;
  /** The part of a batch that one generator draws. */
  const share = ([, ...sample]: readonly number[], batch: number) => [batch / streams.length, ...sample];
  const draw = (from: typeof streams, dims: readonly number[]) =>
    ops.concat(from.map((rng) => rng.normal(share(dims, dims[0]!))));
  return {
    seeds,
    variationSeeds,
    perImage,
    draw: (dims) => draw(streams, dims),
    step: (dims) => draw(stepStreams, dims),
    start(dims, scale) {
      const own = draw(streams, dims);
      const [batch, channels, height, width] = dims;
      const smaller = seedResizeFrom && [
        batch!,
        channels!,
        latentLength('height', seedResizeFrom, scale),
        latentLength('width', seedResizeFrom, scale),
      ];
      const resized = smaller && (smaller[2] !== height || smaller[3] !== width) ? smaller : undefined;
      const first = resized ? draw(generatorsOf(seeds), resized) : own;
      const varied = variationSeeds
        ? slerp(first, draw(generatorsOf(variationSeeds), resized ?? dims), variationStrength)
        : first;
      return resized ? pasteCenter(own, varied) : varied;
    },
  };
}

function seedsOf(
  { seed, seedPerImage, variationStrength = 0 }: SeedOptions,
  pictures: number,
): readonly Seed[] {
  if (typeof seed === 'object') {
    if (seed.length === pictures) return seed;
    throw new InvalidArgumentError(
      `seed: ${seed.length} came for ${pictures} pictures. Give one for all or one for each.`,
    );
  }
  const first = seed ?? randomSeed();
  if (!seedPerImage) return [first];
  // A1111 counts either the seeds up or the variations.
  return Array.from({ length: pictures }, (_, i) => (variationStrength > 0 ? first : plus(first, i)));
}

function variationSeedsOf({ variationSeed = randomSeed() }: SeedOptions, count: number): readonly Seed[] {
  return Array.from({ length: count }, (_, i) => plus(variationSeed, i));
}

function latentLength(
  name: 'width' | 'height',
  size: NonNullable<SeedOptions['seedResizeFrom']>,
  scale: number,
): number {
  const length = Math.floor(size[name] / scale);
  if (length >= 1) return length;
  throw new InvalidArgumentError(
    `seedResizeFrom: ${name} is ${size[name]}. Give the ${name} in pixels of the picture that the seed was used for, at least ${scale}.`,
  );
}
