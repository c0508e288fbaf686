// Heun++: Heun's method with a third derivative, weighted by the noise levels (a sampler of the A1111 community).
import type { Tensor } from '@emulsion/tensor';
import type { Sampler, SamplerOptions, SamplerQuestion } from './sampler.ts';

/**
 * Heun++ 2: three evaluations a step, two in the last but one and one in the last; variance exploding. `step` of its
 * questions counts evaluations.
 */
export function* heunPlusPlus(options: Omit<SamplerOptions, 'process'>): Sampler {
  const { ops, sigmas, timesteps, beginIndex = 0 } = options;
  let { sample } = options;
  let question = 3 * beginIndex;
  function* derivativeAt(state: Tensor, index: number): Generator<SamplerQuestion, Tensor, Tensor> {
    const sigma = sigmas[index]!;
    const denoised: Tensor = yield { step: question++, timestep: timesteps[index]!, sigma, sample: state };
    return ops.combine([1 / sigma, state], [-1 / sigma, denoised]);
  }
  for (let step = beginIndex; step < timesteps.length; step++) {
    const delta = sigmas[step + 1]! - sigmas[step]!;
    const first = yield* derivativeAt(sample, step);
    const next = ops.combine([1, sample], [delta, first]);
    if (step === timesteps.length - 1) return next;
    const second = yield* derivativeAt(next, step + 1);
    if (step === timesteps.length - 2) {
      const weight = sigmas[step + 1]! / (2 * sigmas[beginIndex]!);
      sample = ops.combine([1, sample], [delta * (1 - weight), first], [delta * weight, second]);
      continue;
    }
    const after = ops.combine([1, next], [sigmas[step + 2]! - sigmas[step + 1]!, second]);
    const third = yield* derivativeAt(after, step + 2);
    const weights = [step + 1, step + 2].map((index) => sigmas[index]! / (3 * sigmas[beginIndex]!));
    sample = ops.combine(
      [1, sample],
      [delta * (1 - weights[0]! - weights[1]!), first],
      [delta * weights[0]!, second],
      [delta * weights[1]!, third],
    );
  }
  return sample;
}
