// Emulsion's U-Net: node unet-worker.ts MODEL OUTPUT
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { loadUnet } from '@emulsion/unet';
import { inputs } from './inputs.ts';
import { serve } from './worker.ts';

const [model = '', output = ''] = process.argv.slice(2);

// The inference process notes there how long each run took in onnxruntime.
const runTimes = join(await mkdtemp(join(tmpdir(), 'emulsion-bench-')), 'run-times');
process.env.EMULSION_BENCH_RUN_TIMES = runTimes;
process.env.NODE_OPTIONS = `--import ${new URL('./time-runs.ts', import.meta.url).href}`;

const { sample, timestep, encoderHiddenStates } = inputs();
const device = await createDevice('cpu');
const unet = await loadUnet((await openFolder(model)).subfolder('unet'), { device });

let written = false;
await serve({}, async () => {
  const start = performance.now();
  const prediction = await unet.predict({ sample, timestep, encoderHiddenStates });
  const seconds = (performance.now() - start) / 1000;
  if (!written) await writeFile(output, prediction.data);
  written = true;
  const runs = (await readFile(runTimes, 'utf8')).trimEnd().split('\n');
  return { seconds, secondsInOnnxruntime: Number(runs.at(-1)) };
});
