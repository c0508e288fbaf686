// The U-Net as torch.onnx.export writes it, on the same onnxruntime: node exported-worker.ts ONNX OUTPUT
import { writeFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { inputs } from './inputs.ts';
import { serve } from './worker.ts';

const [onnx = '', output = ''] = process.argv.slice(2);
const { sample, timestep, encoderHiddenStates } = inputs();
const feeds = {
  sample: new Tensor('float32', sample.data, sample.dims),
  timestep: new Tensor('float32', [timestep], []),
  encoder_hidden_states: new Tensor('float32', encoderHiddenStates.data, encoderHiddenStates.dims),
};
const session = await InferenceSession.create(onnx, { logSeverityLevel: 3 });

let written = false;
await serve({}, async () => {
  const start = performance.now();
  const { out_sample } = await session.run(feeds);
  const seconds = (performance.now() - start) / 1000;
  if (!written) await writeFile(output, out_sample!.data as Float32Array); // the graph's output is float32
  written = true;
  return { seconds };
});
