// The U-Net of a pipeline with adapters: node adapters-worker.ts MODEL. Told `step` it makes a step, `add FILE` and
// `remove NAME` change its adapters, `set NAME STRENGTH` sets a strength and makes a step.
import { loadPipeline } from '@emulsion/pipelines';
import { inputs } from './inputs.ts';
import { serve } from './worker.ts';

const [model = ''] = process.argv.slice(2);
const pipeline = await loadPipeline(model, { device: 'cpu' });
if (!('unet' in pipeline)) throw new Error('bench: the model has no U-Net.');
const { adapters, unet } = pipeline;
const asked = inputs();

const turns: Readonly<Record<string, (name: string, strength: string) => Promise<unknown>>> = {
  step: () => unet.predict(asked),
  add: (file) => adapters.add(file),
  remove: (name) => adapters.remove(name),
  set: (name, strength) => {
    adapters.set(name, Number(strength));
    return unet.predict(asked);
  },
};

await unet.predict(asked);
await serve({}, async (line) => {
  const [what = '', argument = '', strength = ''] = line.split(' ');
  const start = performance.now();
  await turns[what]!(argument, strength);
  return { seconds: (performance.now() - start) / 1000 };
});
