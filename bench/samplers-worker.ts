// Emulsion's samplers without a network: node samplers-worker.ts SIZE; each line is the JSON of a
// scheduler_config.json, or `noise`.
import { createScheduler } from '@emulsion/schedulers';
import { cpuOps, createRng } from '@emulsion/tensor';
import { serve } from './worker.ts';

const size = Number(process.argv[2]);
const dims = [1, 4, size, size];
const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const first = rng.normal(dims);
const outputs = Array.from({ length: 8 }, () => rng.normal(dims));
const noises = Array.from({ length: 8 }, () => rng.normal(dims));

/** A scheduler with its steps chosen, which is no part of what is measured. */
function prepare(config: string) {
  const scheduler = createScheduler(JSON.parse(config));
  return { scheduler, plan: scheduler.plan({ numInferenceSteps: 20 }) };
}
const ready = new Map<string, ReturnType<typeof prepare>>();

/** Samples once; gives the number of evaluations. */
function sample({ scheduler, plan }: ReturnType<typeof prepare>): number {
  let draws = 0;
  const noise = () => noises[draws++ % 8]!;
  const sampler = scheduler.sample({ plan, ops: cpuOps, sample: first, noise, reuseStates: true });
  let evaluations = 0;
  for (let turn = sampler.next(); !turn.done; evaluations++) turn = sampler.next(outputs[evaluations % 8]!);
  return evaluations;
}

function drawNoise(): number {
  rng.normal(dims);
  return 1;
}

await serve({}, async (request) => {
  if (request !== 'noise' && !ready.has(request)) ready.set(request, prepare(request));
  const run = request === 'noise' ? drawNoise : () => sample(ready.get(request)!);
  const start = performance.now();
  let evaluations = 0;
  for (let i = 0; i < 40; i++) evaluations += run();
  return { seconds: (performance.now() - start) / 1000 / evaluations };
});
