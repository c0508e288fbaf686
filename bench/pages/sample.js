// What every page with a scheduler does with it: samples without a network, and says so in its title.
import { cpuOps, tensor } from '@emulsion/tensor';

export function sample(scheduler) {
  const plan = scheduler.plan({ numInferenceSteps: 10 });
  const start = tensor(new Float32Array(16).fill(plan.initNoiseSigma), [1, 1, 4, 4]);
  const noise = (dims) => tensor(new Float32Array(16), dims);
  const sampler = scheduler.sample({ plan, sample: start, ops: cpuOps, noise });
  let turn = sampler.next();
  while (!turn.done) turn = sampler.next(cpuOps.combine([0.1, turn.value.sample]));
  document.title = `done: ${turn.value.data[0]}`;
}
