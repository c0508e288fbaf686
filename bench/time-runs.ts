// Loaded into the inference process before its program: notes how long each run in onnxruntime takes.
import { appendFileSync } from 'node:fs';
import { InferenceSession } from 'onnxruntime-node';

const path = process.env.EMULSION_BENCH_RUN_TIMES;
if (path) {
  // It is declared as a factory and is a class, whose `run` is called with the feeds alone.
  const { prototype } = InferenceSession as unknown as { prototype: Pick<InferenceSession, 'run'> };
  const run: (this: typeof prototype, feeds: InferenceSession.FeedsType) => ReturnType<typeof prototype.run> =
    prototype.run;
  prototype.run = async function (this: typeof prototype, feeds: InferenceSession.FeedsType) {
    const start = performance.now();
    const outputs = await run.call(this, feeds);
    appendFileSync(path, `${(performance.now() - start) / 1000}\n`);
    return outputs;
  };
}
