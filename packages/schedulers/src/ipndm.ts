// IPNDM: PNDM's linear multistep method without a special start (Zhang and Chen 2023, "iPNDM").
import type { Tensor } from '@emulsion/tensor';
import { variancePreserving } from './noise-level.ts';
import { adamsBashforthSum } from './pndm.ts';
import type { Sampler, SamplerOptions } from './sampler.ts';
import { transfer } from './transition.ts';

/** IPNDM: order up to 4 where the steps are even, one evaluation a step; answers are the noise. */
export function* ipndm(options: SamplerOptions): Sampler {
  const { ops, sigmas, timesteps, process = variancePreserving, beginIndex = 0 } = options;
  const history: Tensor[] = [];
  let { sample } = options;
  for (let step = beginIndex; step < timesteps.length; step++) {
    const answer: Tensor = yield { step, timestep: timesteps[step]!, sigma: sigmas[step]!, sample };
    history.push(answer);
    if (history.length > 4) history.shift();
    sample = transfer(
      ops,
      sample,
      adamsBashforthSum(ops, history),
      process(sigmas[step]!),
      process(sigmas[step + 1]!),
    );
  }
  return sample;
}
