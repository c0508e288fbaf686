// A page that knows the class of its scheduler.
import { createSchedulerOf, dpmSolverMultistepScheduler } from '@emulsion/schedulers';
import { cpuOps, tensor } from '@emulsion/tensor';

const scheduler = createSchedulerOf(dpmSolverMultistepScheduler, { beta_schedule: 'scaled_linear' });
const plan = scheduler.plan({ numInferenceSteps: 10 });
const sample = tensor(new Float32Array(16).fill(plan.initNoiseSigma), [1, 1, 4, 4]);
const noise = (dims) => tensor(new Float32Array(16), dims);
const sampler = scheduler.sample({ plan, sample, ops: cpuOps, noise });
let turn = sampler.next();
while (!turn.done) turn = sampler.next(cpuOps.combine([0.1, turn.value.sample]));
document.title = `done: ${turn.value.data[0]}`;
