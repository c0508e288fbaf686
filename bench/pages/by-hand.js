// A page that puts a sampler together by hand.
import { euler, karrasSigmas } from '@emulsion/schedulers';
import { cpuOps, tensor } from '@emulsion/tensor';

const sigmas = karrasSigmas({ steps: 10, sigmaMin: 0.03, sigmaMax: 14.6 });
const sampler = euler({
  ops: cpuOps,
  sample: tensor([14.6], [1, 1]),
  sigmas,
  timesteps: sigmas.slice(0, -1),
});
let turn = sampler.next();
while (!turn.done) turn = sampler.next(cpuOps.combine([0.1, turn.value.sample]));
document.title = `done: ${turn.value.data[0]}`;
