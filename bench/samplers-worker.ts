// Emulsion's samplers without a network: node samplers-worker.ts SIZE; each line names a sampler to run.
import { createScheduler } from '@emulsion/schedulers';
import { cpuOps, createRng } from '@emulsion/tensor';
import { samplerConfigs } from './sampler-configs.ts';
import { serve } from './worker.ts';

const size = Number(process.argv[2]);
const dims = [1, 4, size, size];
const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const first = rng.normal(dims);
const outputs = Array.from({ length: 8 }, () => rng.normal(dims));
const noises = Array.from({ length: 8 }, () => rng.normal(dims));

const ready = new Map(
  Object.entries(samplerConfigs).map(([name, config]) => {
    const scheduler = createScheduler(config);
    return [name, { scheduler, plan: scheduler.plan({ numInferenceSteps: 20 }) }];
  }),
);

/** Samples once; gives the number of evaluations. */
function sample(name: string): number {
  if (name === 'noise') {
    rng.normal(dims);
    return 1;
  }
  const { scheduler, plan } = ready.get(name)!; // one for each name
  let draws = 0;
  const noise = () => noises[draws++ % 8]!;
  const sampler = scheduler.sample({ plan, ops: cpuOps, sample: first, noise });
  let evaluations = 0;
  for (let turn = sampler.next(); !turn.done; evaluations++) turn = sampler.next(outputs[evaluations % 8]!);
  return evaluations;
}

await serve({}, async (name) => {
  const start = performance.now();
  let evaluations = 0;
  for (let i = 0; i < 10; i++) evaluations += sample(name);
  return { seconds: (performance.now() - start) / 1000 / evaluations };
});
