// Noise of one Brownian path over the noise levels: what is drawn for an interval does not depend on what was asked before.
import { createRng, InvalidArgumentError, sizeOf, tensor } from '@emulsion/tensor';
import type { Noise } from './sampler.ts';

export interface BrownianNoiseOptions {
  /** An integer from 0: the path is a function of it and of the dims alone. */
  seed: number;
  /** The greatest level that will be asked for. The path reaches down to 0. */
  sigmaMax: number;
  /** Halvings of the whole path down to the finest interval; between its ends the path is straight. */
  depth?: number;
}

/** A number for each node of the tree, well mixed (the finalizer of MurmurHash3, Appleby 2011). */
function nodeSeed(seed: number, level: number, index: number): number {
  let hash =
    (Math.imul(seed ^ Math.floor(seed / 2 ** 32), 0x9e3779b1) ^ Math.imul(level + 1, 0x85ebca6b)) >>> 0;
  for (const part of [index, 0x6d2b79f5]) {
    hash = Math.imul(hash ^ part, 0xc2b2ae35);
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 13;
  }
  return hash >>> 0;
}

/**
 * Noise of a Brownian path, for the samplers of stochastic differential equations: two runs that divide the levels
 * differently see the same path, and an interval that is asked for twice gives the same noise. The path is refined by
 * Lévy's construction: each node of a tree of halved intervals has draws of its own, from torch's generator.
 * @returns draws of variance 1: the path's increment over the interval by the square root of its length
 * @throws {InvalidArgumentError} if the seed or the level is none; on a draw, if it names no interval, or one that leaves the path
 */
export function createBrownianNoise(options: BrownianNoiseOptions): Noise {
  const { seed, sigmaMax, depth = 24 } = options;
  if (!Number.isSafeInteger(seed) || seed < 0 || !(sigmaMax > 0 && sigmaMax < Infinity)) {
    throw new InvalidArgumentError(
      `createBrownianNoise: seed is ${seed}, sigmaMax is ${sigmaMax}. Give an integer from 0 and a level above 0.`,
    );
  }
  const draw = (level: number, index: number, size: number) =>
    createRng({ kind: 'torch-cpu', seed: nodeSeed(seed, level, index) }).normal([size]).data;

  /** The path at a share of `sigmaMax`, from 0 at level 0. */
  function pathAt(share: number, size: number): Float64Array {
    let [low, high] = [new Float64Array(size), Float64Array.from(draw(0, 0, size))];
    if (share <= 0) return low;
    if (share >= 1) return high;
    let [start, width, index] = [0, 1, 0];
    for (let level = 1; level <= depth; level++) {
      // In the middle the path deviates from the mean of the ends by half the root of the interval.
      const normals = draw(level, index, size);
      const deviation = Math.sqrt(width) / 2;
      const middle = low.map((value, i) => (value + high[i]!) / 2 + deviation * normals[i]!);
      width /= 2;
      const upper = share >= start + width;
      if (upper) start += width;
      [low, high] = upper ? [middle, high] : [low, middle];
      index = 2 * index + (upper ? 1 : 0);
      if (share === start) return low;
    }
    const within = (share - start) / width;
    return low.map((value, i) => value + within * (high[i]! - value));
  }

  return (dims, interval) => {
    if (!interval) {
      throw new InvalidArgumentError(
        'createBrownianNoise: the sampler draws noise without an interval. Give this noise to a sampler of a stochastic differential equation, and fresh draws to others.',
      );
    }
    const [from, to] = [interval.from / sigmaMax, interval.to / sigmaMax];
    // The levels of a plan are rounded to float32.
    const slack = 1e-6;
    if (!(Math.min(from, to) >= -slack && Math.max(from, to) <= 1 + slack) || from === to) {
      throw new InvalidArgumentError(
        `createBrownianNoise: the interval ${interval.from} to ${interval.to} is not within ${sigmaMax} and 0. Give the greatest level of the whole plan as sigmaMax.`,
      );
    }
    const size = sizeOf(dims);
    const [start, end] = [pathAt(from, size), pathAt(to, size)];
    const scale = 1 / Math.sqrt(Math.abs(to - from));
    return tensor(
      Float32Array.from(end, (value, i) => (value - start[i]!) * scale),
      dims,
    );
  };
}
