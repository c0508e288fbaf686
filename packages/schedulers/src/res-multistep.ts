// RES: refined exponential solver, multistep of order 2 (Zhang et al. 2023).
import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import type { GuidedDenoised } from './cfg-plus-plus.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

export interface ResMultistepOptions extends Omit<SamplerOptions, 'process'>, Partial<StochasticOptions> {
  /** Amount of noise: 0, the usual, is none. */
  eta?: number;
}

/** Weights of a step of size h with the answer before it, at -c of the step. */
function resWeights(h: number, c: number) {
  const phi1 = Math.expm1(-h) / -h;
  const phi2 = (phi1 - 1) / -h;
  return { newer: h * (phi1 + phi2 / c), older: (-h * phi2) / c };
}

/**
 * RES multistep: order 2, one evaluation a step, variance exploding. Without noise it is DPM-Solver++ (2M) of type
 * "heun"; with noise the history is taken from where the deterministic part of the step before ended.
 */
export function* resMultistep(options: ResMultistepOptions): Sampler {
  const { ops, sigmas, timesteps, noise, eta = 0, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  let last: { denoised: Tensor; sigmaDown: number } | undefined;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const [sigma, sigmaNext] = [sigmas[step]!, sigmas[step + 1]!];
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    const { sigmaDown, sigmaUp } = ancestralStep(sigma, sigmaNext, eta);
    const ratio = sigmaDown / sigma;
    if (sigmaDown === 0 || !last) {
      sample = ops.combine([ratio, sample], [1 - ratio, denoised]);
    } else {
      const h = -Math.log(ratio);
      const { newer, older } = resWeights(h, Math.log(sigmas[step - 1]! / last.sigmaDown) / h);
      sample = ops.combine([ratio, sample], [newer, denoised], [older, last.denoised]);
    }
    if (eta > 0 && noise && sigmaNext > 0) {
      sample = ops.combine([1, sample], [sigmaUp * sNoise, noise(sample.dims)]);
    }
    last = { denoised, sigmaDown };
  }
  return sample;
}

/** RES multistep with CFG++ as ComfyUI has it. */
export function* resMultistepCfgPlusPlus(options: ResMultistepOptions): Sampler<GuidedDenoised> {
  const { ops, sigmas, timesteps, noise, eta = 0, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  let last: { negative: Tensor; sigmaDown: number } | undefined;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const [sigma, sigmaNext] = [sigmas[step]!, sigmas[step + 1]!];
    const { denoised, negative }: GuidedDenoised = yield { step, timestep: timesteps[step]!, sigma, sample };
    const { sigmaDown, sigmaUp } = ancestralStep(sigma, sigmaNext, eta);
    const ratio = sigmaDown / sigma;
    if (sigmaDown === 0 || !last) {
      sample = ops.combine([1, denoised], [ratio, sample], [-ratio, negative]);
    } else {
      const h = -Math.log(ratio);
      const { newer, older } = resWeights(h, Math.log(sigmas[step - 1]! / last.sigmaDown) / h);
      sample = ops.combine(
        [ratio, sample],
        [ratio, denoised],
        [newer - ratio, negative],
        [older, last.negative],
      );
    }
    if (eta > 0 && noise && sigmaNext > 0) {
      sample = ops.combine([1, sample], [sigmaUp * sNoise, noise(sample.dims)]);
    }
    last = { negative, sigmaDown };
  }
  return sample;
}
