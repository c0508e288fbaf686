// Measures a model of the size of Stable Diffusion 1.5 on this machine; see README.md.
import { execFileSync } from 'node:child_process';
import { glob, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '@emulsion/checkpoints';
import { tensor } from '@emulsion/tensor';
import { findPython } from './find-python.ts';
import { inputs } from './inputs.ts';
import { physicalCores, vectorInstructions } from './processes.ts';
import { type ContenderFigures, type PictureFigures, report, type Turn } from './report.ts';
import { Worker } from './worker.ts';
import { type WeightType, weightTypes, writeModel } from './write-model.ts';

const rounds = Number(process.argv[2] ?? 5);
const here = dirname(fileURLToPath(import.meta.url));
const models = join(here, '.models');
const onnx = join(models, 'exported', 'model.onnx');
const inputsFile = join(models, 'inputs.safetensors');
const torchScript = join(here, 'torch_unet.py');
const modelOf = (type: WeightType) => join(models, `sd15-${type}`);
const unetFile = (type: WeightType) => join(modelOf(type), 'unet', 'diffusion_pytorch_model.safetensors');
const outputOf = (name: string) => join(models, `${name}.output`);

const say = (text: string) => process.stderr.write(`${text}\n`);

const node = <Result>(script: string, ...args: string[]) =>
  new Worker<Result>(process.execPath, [
    '--conditions=emulsion:source',
    '--disable-warning=ExperimentalWarning',
    join(here, script),
    ...args,
  ]);

async function exportOnnx(python: string): Promise<void> {
  if (await stat(onnx).catch(() => undefined)) return;
  say('Exporting the U-Net with torch.onnx.export …');
  const unfinished = join(models, 'exported.unfinished');
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  const args = ['export', join(modelOf('fp32'), 'unet'), inputsFile, join(unfinished, 'model.onnx')];
  execFileSync(python, [torchScript, ...args], { stdio: ['ignore', 'ignore', 'ignore'] });
  await rename(unfinished, dirname(onnx));
}

/** Reads the weights of a model, so that the system has them in memory. */
async function warm(model: string): Promise<void> {
  const chunk = new Uint8Array(2 ** 24);
  for await (const path of glob(join(model, '*', '*.safetensors'))) {
    const file = await open(path);
    while ((await file.read(chunk)).bytesRead > 0);
    await file.close();
  }
}

async function measurePicture(type: WeightType): Promise<PictureFigures> {
  say(`A picture in ${type} …`);
  const run = async (...args: string[]): Promise<Omit<PictureFigures, 'loads'>> => {
    await warm(modelOf(type));
    const worker = node<never>('picture-worker.ts', modelOf(type), ...args);
    const figures = await worker.ready<Omit<PictureFigures, 'loads'>>();
    await worker.close();
    return figures;
  };
  // Several, because memory that a virtual machine's host took back is slow to touch for the first time.
  const loads: number[] = [];
  for (let i = 0; i < 5; i++) loads.push((await run('load')).firstStep);
  return { ...(await run()), loads };
}

async function outputValues(name: string): Promise<Float32Array> {
  const { buffer } = new Uint8Array(await readFile(outputOf(name)));
  return new Float32Array(buffer);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

await mkdir(models, { recursive: true });
for (const type of weightTypes) {
  say(`The model in ${type} …`);
  await writeModel(modelOf(type), type);
}
const { sample, timestep, encoderHiddenStates } = inputs();
await writeFile(
  inputsFile,
  writeSafetensors({
    sample,
    timestep: tensor([timestep], []),
    encoder_hidden_states: encoderHiddenStates,
  }),
);
const python = findPython('torch', 'safetensors', 'onnx');
if (python) await exportOnnx(python);

const pictures = { fp32: await measurePicture('fp32'), fp16: await measurePicture('fp16') };

const threads = physicalCores();
const product = node<{ operationsPerSecond: number }>('matmul-worker.ts');
const unets = new Map<string, Worker<Turn>>();
unets.set('Emulsion, fp32', node('unet-worker.ts', modelOf('fp32'), outputOf('Emulsion, fp32')));
unets.set('Emulsion, fp16', node('unet-worker.ts', modelOf('fp16'), outputOf('Emulsion, fp16')));
if (python) {
  const files = [join(modelOf('fp32'), 'unet'), inputsFile, outputOf('torch')];
  unets.set('torch', new Worker(python, [torchScript, 'run', ...files, `${threads}`]));
  unets.set('exported', node('exported-worker.ts', onnx, outputOf('exported')));
}
await product.ready();
let torch: string | undefined;
for (const [name, worker] of unets) {
  say(`Loading: ${name} …`);
  const { version } = await worker.ready<{ version?: string }>();
  torch ??= version;
}

const peak: number[] = [];
const turns = new Map<string, Turn[]>([...unets].map(([name]) => [name, []]));
for (let round = 0; round <= rounds; round++) {
  const { operationsPerSecond } = await product.turn();
  // Every other round goes backwards, so that nobody always follows the same neighbour; the first one warms up.
  for (const [name, worker] of round % 2 === 0 ? unets : [...unets].toReversed()) {
    const turn = await worker.turn();
    say(`Round ${round} of ${rounds}: ${name} ${turn.seconds.toFixed(2)} s`);
    if (round > 0) turns.get(name)!.push(turn);
  }
  if (round > 0) peak.push(operationsPerSecond);
}

const reference = await outputValues('Emulsion, fp32');
const contenders = new Map<string, ContenderFigures>();
for (const [name, worker] of unets) {
  contenders.set(name, {
    turns: turns.get(name)!,
    peakMemory: worker.memory().peak,
    disturbed: worker.disturbed,
    difference: largestDifference(await outputValues(name), reference),
  });
}
for (const worker of [product, ...unets.values()]) await worker.close();

const { version: onnxruntime } = createRequire(import.meta.url)('onnxruntime-node/package.json');
const text = report({
  machine: {
    processor: cpus()[0]!.model,
    vectors: vectorInstructions(),
    cores: threads,
    memory: totalmem(),
    system: `${process.platform} ${release()}`,
    node: process.versions.node,
    onnxruntime,
    torch,
  },
  weightBytes: { fp32: (await stat(unetFile('fp32'))).size, fp16: (await stat(unetFile('fp16'))).size },
  pictures,
  peak,
  contenders,
});
await writeFile(join(here, 'RESULTS.md'), text);
process.stdout.write(text);
