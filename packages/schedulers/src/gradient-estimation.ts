// Gradient estimation: Euler's method that overshoots along the change of its derivative (Permenter and Yuan 2024).
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { GuidedDenoised } from './cfg-plus-plus.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';

export interface GradientEstimationOptions extends Omit<SamplerOptions, 'process'> {
  /** How far to overshoot: 1 is Euler's method, 2 the paper's choice. */
  gamma?: number;
}

const derivative = (ops: TensorOps, sample: Tensor, denoised: Tensor, sigma: number) =>
  ops.combine([1 / sigma, sample], [-1 / sigma, denoised]);

/** Gradient estimation (algorithm 3): one evaluation a step, variance exploding. */
export function* gradientEstimation(options: GradientEstimationOptions): Sampler {
  const { ops, sigmas, timesteps, gamma = 2, beginIndex = 0 } = options;
  let { sample } = options;
  let before: Tensor | undefined;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const [sigma, sigmaNext] = [sigmas[step]!, sigmas[step + 1]!];
    const denoised: Tensor = yield { step, timestep: timesteps[step]!, sigma, sample };
    if (sigmaNext === 0) {
      sample = denoised;
      continue;
    }
    const delta = sigmaNext - sigma;
    const current = derivative(ops, sample, denoised, sigma);
    sample = before
      ? ops.combine([1, sample], [gamma * delta, current], [(1 - gamma) * delta, before])
      : ops.combine([1, sample], [delta, current]);
    before = current;
  }
  return sample;
}

/** Gradient estimation with CFG++ as ComfyUI has it. */
export function* gradientEstimationCfgPlusPlus(options: GradientEstimationOptions): Sampler<GuidedDenoised> {
  const { ops, sigmas, timesteps, gamma = 2, beginIndex = 0 } = options;
  let { sample } = options;
  let before: Tensor | undefined;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const [sigma, sigmaNext] = [sigmas[step]!, sigmas[step + 1]!];
    const { denoised, negative }: GuidedDenoised = yield { step, timestep: timesteps[step]!, sigma, sample };
    if (sigmaNext === 0) {
      sample = denoised;
      continue;
    }
    const overshoot = (gamma - 1) * (sigmaNext - sigma);
    const current = derivative(ops, sample, negative, sigma);
    sample = before
      ? ops.combine([1, denoised], [sigmaNext + overshoot, current], [-overshoot, before])
      : ops.combine([1, denoised], [sigmaNext, current]);
    before = current;
  }
  return sample;
}
