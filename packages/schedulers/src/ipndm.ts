// IPNDM: PNDM's linear multistep method without a special start (Zhang and Chen 2023, "iPNDM").
import type { Tensor } from '@emulsion/tensor';
import { variancePreserving } from './noise-level.ts';
import { adamsBashforthSum } from './pndm.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';
import { transfer } from './transition.ts';

/**
 * IPNDM: order 2 in general, one evaluation a step; answers are the noise.
 * @param options.eulerAtFinal go straight to x̂₀ where the last step ends without noise
 */
export function* ipndm(options: SamplerOptions & { eulerAtFinal?: boolean }): Sampler {
  const {
    ops,
    sigmas,
    timesteps,
    process = variancePreserving,
    beginIndex = 0,
    eulerAtFinal = false,
  } = options;
  const history: Tensor[] = [];
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    history.push(answer);
    if (history.length > 4) history.shift();
    const [from, to] = [process(sigmas[step]!), process(sigmas[step + 1]!)];
    const slope = eulerAtFinal && to.sigma === 0 ? answer : adamsBashforthSum(ops, history);
    sample = transfer(ops, sample, slope, from, to);
  }
  return sample;
}
