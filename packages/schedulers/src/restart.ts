// Restart sampling: Heun's method that goes back to noise and over the same levels again (Xu et al. 2023).
import type { Tensor } from '@emulsion/tensor';
import type { MidpointOptions } from './dpm2.ts';
import { karrasSigmas } from './karras-sigmas.ts';
import type { Sampler, StochasticOptions } from './sampler.ts';

/** A stretch of levels that is walked again. */
export interface RestartStretch {
  /** The lower end: the level nearest to it is where the walk goes back. */
  readonly sigmaMin: number;
  /** The upper end, likewise. */
  readonly sigmaMax: number;
  /** Number of levels from the one to the other, both included. */
  readonly steps: number;
  readonly times: number;
}

const nearest = (sigmas: readonly number[], wanted: number) =>
  sigmas.reduce(
    (best, sigma, i) => (Math.abs(sigma - wanted) < Math.abs(sigmas[best]! - wanted) ? i : best),
    0,
  );

/** The levels to walk: those of `sigmas`, and after each stretch the same again from its upper end. */
export function restartWalk(sigmas: readonly number[], stretches: readonly RestartStretch[]): number[] {
  return sigmas.flatMap((sigma, i) => {
    const walked = [sigma];
    for (const { sigmaMin, sigmaMax, steps, times } of stretches) {
      if (i === 0 || nearest(sigmas, sigmaMin) !== i) continue;
      const top = nearest(sigmas, sigmaMax);
      if (top >= i) continue;
      const again = karrasSigmas({ steps, sigmaMin: sigma, sigmaMax: sigmas[top]! }).slice(0, -1);
      for (let k = 0; k < times; k++) walked.push(...again);
    }
    return walked;
  });
}

/**
 * The walk for a number of evaluated steps as A1111 chooses it: from 20 steps on, some of them are spent on going once
 * or twice more from level 2 to 0.1.
 * @param sigmas levels of which only the ends and their number count from 20 steps on, the last 0
 */
export function usualRestartWalk(sigmas: readonly number[]): number[] {
  const count = sigmas.length - 1;
  if (count < 20) return [...sigmas];
  const [steps, times] = count < 36 ? [9, 1] : [Math.floor(count / 4), 2];
  const base = karrasSigmas({ steps: count - steps * times, sigmaMin: sigmas.at(-2)!, sigmaMax: sigmas[0]! });
  return restartWalk(base, [{ sigmaMin: 0.1, sigmaMax: 2, steps: steps + 1, times }]);
}

/**
 * Heun's method along a walk of levels: where they ascend, noise is added. Two evaluations a step but for the last;
 * stochastic, variance exploding. `step` of its questions counts evaluations.
 * @param options.sigmas the walk, as `restartWalk` makes it
 */
export function* restart(options: Omit<MidpointOptions, 'timesteps'> & StochasticOptions): Sampler {
  const { ops, sigmas, timestepOf, noise, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  let step = 2 * beginIndex;
  for (let index = beginIndex; index < sigmas.length - 1; index++) {
    const [sigma, sigmaNext] = [sigmas[index]!, sigmas[index + 1]!];
    if (sigmaNext >= sigma) {
      const deviation = sNoise * Math.sqrt(sigmaNext ** 2 - sigma ** 2);
      if (deviation > 0) sample = ops.combine([1, sample], [deviation, noise(sample.dims)]);
      continue;
    }
    const denoised: Tensor = yield { step: step++, timestep: timestepOf(sigma), sigma, sample };
    const ratio = sigmaNext / sigma;
    const predicted = ops.combine([ratio, sample], [1 - ratio, denoised]);
    if (sigmaNext === 0) {
      sample = predicted;
      continue;
    }
    const question = { step: step++, timestep: timestepOf(sigmaNext), sigma: sigmaNext, sample: predicted };
    const corrected: Tensor = yield question;
    const half = (sigmaNext - sigma) / 2;
    sample = ops.combine(
      [1 + half / sigma, sample],
      [-half / sigma, denoised],
      [half / sigmaNext, predicted],
      [-half / sigmaNext, corrected],
    );
  }
  return sample;
}
