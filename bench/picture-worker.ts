// A picture from a prompt, 512×512 in two guided steps, from the start of the process on, or only as far as its first
// step: node picture-worker.ts MODEL [load]
import { loadPipeline, textToImage } from '@emulsion/pipelines';
import { memoryOf } from './processes.ts';
import { serve } from './worker.ts';

const [model = '', until] = process.argv.slice(2);
/** Seconds since this process started. */
const now = () => performance.now() / 1000;

const pipeline = await loadPipeline(model, { device: 'cpu' });
if (!('unet' in pipeline)) throw new Error(`${model} has no U-Net.`);
const { unet } = pipeline;
let firstStep: number | undefined;
const timed: typeof unet = {
  ...unet,
  predict(...request) {
    firstStep ??= now();
    if (until === 'load') throw loadIsDone;
    return unet.predict(...request);
  },
};
const loadIsDone = new Error();
const steps: number[] = [];
let memoryAfterSteps = 0;
try {
  await textToImage(
    { ...pipeline, unet: timed },
    {
      prompt: 'a lighthouse above the sea',
      negativePrompt: 'blurry',
      seed: 0,
      width: 512,
      height: 512,
      scheduler: 'euler',
      numInferenceSteps: 2,
      onStep() {
        steps.push(now());
        memoryAfterSteps = memoryOf(process.pid).peak;
      },
    },
  );
} catch (error) {
  if (error !== loadIsDone) throw error;
}
const end = now();
await serve(
  { firstStep, steps, end, memoryAfterSteps, memoryAtEnd: memoryOf(process.pid).peak },
  async () => ({}),
);
