// CFG++: guidance in x̂₀ alone, while the noise that is kept is the unguided one (Chung et al. 2024).

import type { Tensor } from '@emulsion/tensor';
import { ancestralStep } from './ancestral-step.ts';
import type { MidpointOptions } from './dpm2.ts';
import { halfLogSnr, varianceExploding } from './noise-level.ts';
import type { Sampler, SamplerOptions, StochasticOptions } from './sampler.ts';

/** x̂₀ with guidance, and without: that of the negative condition. */
export interface GuidedDenoised {
  readonly denoised: Tensor;
  readonly negative: Tensor;
}

/** Euler's method with CFG++ (algorithm 2), which is its DDIM: order 1, one evaluation a step. */
export function eulerCfgPlusPlus(options: SamplerOptions): Sampler<GuidedDenoised> {
  return eulerAncestralCfgPlusPlus({ ...options, eta: 0 });
}

/** The same with ancestral noise: stochastic if `eta` is above 0. */
export function* eulerAncestralCfgPlusPlus(
  options: SamplerOptions & Partial<StochasticOptions> & { eta?: number },
): Sampler<GuidedDenoised> {
  const {
    ops,
    sigmas,
    timesteps,
    process = varianceExploding,
    noise,
    eta = 1,
    sNoise = 1,
    beginIndex = 0,
  } = options;
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const { denoised, negative }: GuidedDenoised = yield {
      step,
      timestep: timesteps[step]!,
      sigma: sigmas[step]!,
      sample,
    };
    const [from, to] = [process(sigmas[step]!), process(sigmas[step + 1]!)];
    const { sigmaDown, sigmaUp } = ancestralStep(from.sigma / from.alpha, to.sigma / to.alpha, eta);
    // The noise is (x - α negative) / σ.
    const kept = (to.alpha * sigmaDown) / from.sigma;
    sample = ops.combine([to.alpha, denoised], [kept, sample], [-kept * from.alpha, negative]);
    if (eta > 0 && noise && to.sigma > 0) {
      sample = ops.combine([1, sample], [to.alpha * sigmaUp * sNoise, noise(sample.dims)]);
    }
  }
  return sample;
}

/** DPM-Solver++ (2M) with CFG++ as ComfyUI has it: one evaluation a step, variance exploding. */
export function* dpmSolver2MCfgPlusPlus(options: Omit<SamplerOptions, 'process'>): Sampler<GuidedDenoised> {
  const { ops, sigmas, timesteps, beginIndex = 0 } = options;
  const lambdas = sigmas.map((sigma) => halfLogSnr(varianceExploding(sigma)));
  let { sample } = options;
  let before: Tensor | undefined;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const { denoised, negative }: GuidedDenoised = yield {
      step,
      timestep: timesteps[step]!,
      sigma: sigmas[step]!,
      sample,
    };
    const h = lambdas[step + 1]! - lambdas[step]!;
    const ratio = Math.exp(-h);
    // Where the last step ends without noise, h is infinite.
    const bend =
      before && Number.isFinite(h) ? (-Math.expm1(-h) * h) / (2 * (lambdas[step]! - lambdas[step - 1]!)) : 0;
    sample = ops.combine(
      [1 + bend, denoised],
      [-ratio, negative],
      [ratio, sample],
      [-bend, before ?? negative],
    );
    before = negative;
  }
  return sample;
}

/** DPM++ 2S ancestral with CFG++ as ComfyUI has it: two evaluations a step but for the last; variance exploding. */
export function* dpmSolver2SAncestralCfgPlusPlus(
  options: MidpointOptions & StochasticOptions & { eta?: number },
): Sampler<GuidedDenoised> {
  const { ops, sigmas, timesteps, timestepOf, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  let { sample } = options;
  for (let index = beginIndex; index < timesteps.length; index++) {
    const [sigma, sigmaNext] = [sigmas[index]!, sigmas[index + 1]!];
    const { sigmaDown, sigmaUp } = ancestralStep(sigma, sigmaNext, eta);
    const answer: GuidedDenoised = yield { step: 2 * index, timestep: timesteps[index]!, sigma, sample };
    const { denoised, negative } = answer;
    if (sigmaDown === 0) {
      sample = sigmaNext > 0 ? ops.combine([1, denoised], [sigmaUp * sNoise, noise(sample.dims)]) : denoised;
      continue;
    }
    const sigmaMid = Math.sqrt(sigma * sigmaDown);
    const half = sigmaMid / sigma;
    const middle = ops.combine([half, sample], [1 - half, negative]);
    const question = { step: 2 * index + 1, timestep: timestepOf(sigmaMid), sigma: sigmaMid, sample: middle };
    const second: GuidedDenoised = yield question;
    const ratio = sigmaDown / sigma;
    sample = ops.combine(
      [ratio, sample],
      [1 - ratio, second.negative],
      [1, denoised],
      [-1, negative],
      [sigmaUp * sNoise, noise(sample.dims)],
    );
  }
  return sample;
}
