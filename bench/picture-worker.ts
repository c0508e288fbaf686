// A picture from a prompt, 512×512 in two guided steps, from the start of the process on: node picture-worker.ts MODEL
import { loadPipeline, textToImage } from '@emulsion/pipelines';
import { memoryOf } from './processes.ts';
import { serve } from './worker.ts';

const [model = ''] = process.argv.slice(2);
/** Seconds since this process started. */
const now = () => performance.now() / 1000;

const pipeline = await loadPipeline(model, { device: 'cpu' });
const loaded = now();
const { unet } = pipeline;
let firstStep: number | undefined;
const timed: typeof unet = {
  ...unet,
  predict(...request) {
    firstStep ??= now();
    return unet.predict(...request);
  },
};
const steps: number[] = [];
let memoryAfterSteps = 0;
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
const end = now();
await serve(
  { loaded, firstStep, steps, end, memoryAfterSteps, memoryAtEnd: memoryOf(process.pid).peak },
  async () => ({}),
);
