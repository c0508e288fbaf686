// Fresh draws made into the increments of a Brownian path, for samplers that ask for intervals within one another.
import { cpuOps, type Tensor } from '@emulsion/tensor';
import type { Noise, NoiseInterval } from './sampler.ts';

/**
 * Noise for any sampler from a generator's draws, one for each time it is asked. An interval that begins where the one
 * before began, and goes further, holds that one's noise: its own is what that is of it, and a fresh draw for the rest.
 * All others, and questions without an interval, are fresh draws.
 * @param draw gives independent normal numbers, on the CPU
 */
export function brownianDraws(draw: (dims: readonly number[]) => Tensor): Noise {
  let last: { readonly interval: NoiseInterval; readonly noise: Tensor } | undefined;
  return (dims, interval) => {
    const fresh = draw(dims);
    if (!interval) return fresh;
    const share = last ? shareOf(last.interval, interval) : 0;
    const noise =
      share === 0 ? fresh : cpuOps.combine([Math.sqrt(share), last!.noise], [Math.sqrt(1 - share), fresh]);
    last = { interval, noise };
    return noise;
  };
}

/** The share of an interval that another one is, if that is its first part, else 0. */
function shareOf(part: NoiseInterval, { from, to }: NoiseInterval): number {
  const share = (part.to - part.from) / (to - from);
  return part.from === from && share > 0 && share < 1 ? share : 0;
}
