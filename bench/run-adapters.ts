// Measures what adapters cost while the model stays loaded; see README.md. node run-adapters.ts [ROUNDS]
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { physicalCores } from './processes.ts';
import { Worker } from './worker.ts';
import { writeAttentionLora, writeLargeLora, writeTextHypernetwork } from './write-adapters.ts';
import { writeModel } from './write-model.ts';

const rounds = Number(process.argv[2] ?? 5);
const here = dirname(fileURLToPath(import.meta.url));
const model = join(here, '.models', 'sd15-fp32');
const folder = join(here, '.models', 'adapters');
const fileOf = (name: string) => join(folder, `${name}.safetensors`);

await writeModel(model, 'fp32');
await mkdir(folder, { recursive: true });
await writeAttentionLora(fileOf('attention'), 16);
const largeBytes = await writeLargeLora(fileOf('large'), 150e6);
await writeTextHypernetwork(fileOf('text'));

const flags = ['--conditions=emulsion:source', '--disable-warning=ExperimentalWarning'];
const worker = new Worker<{ seconds: number }>(process.execPath, [
  ...flags,
  join(here, 'adapters-worker.ts'),
  model,
]);
await worker.ready();
const taken = new Map<string, number[]>();
/** Lets the worker take a turn, and notes its seconds under a name. */
async function turn(what: string, name?: string): Promise<void> {
  // What was added or removed cannot be once more.
  const { seconds } = await worker.turn(what, /^(add|remove)/.test(what) ? { attempts: 1 } : {});
  if (name === undefined) return;
  process.stderr.write(`${name}: ${seconds.toFixed(2)} s\n`);
  taken.set(name, [...(taken.get(name) ?? []), seconds]);
}

for (let round = 0; round < rounds; round++) {
  await turn('step', 'none');
  await turn(`add ${fileOf('attention')}`, 'add');
  await turn('step', 'lora');
  await turn('set attention 0.5', 'set');
  await turn('set attention 0', 'zero');
  await turn('remove attention');
  await turn(`add ${fileOf('large')}`, 'add large');
  await turn('remove large');
}
await turn(`add ${fileOf('text')}`, 'add hypernetwork');
for (let round = 0; round < rounds; round++) {
  await turn('set text 0', 'hypernetwork at 0');
  await turn('set text 1', 'hypernetwork');
}
await worker.close();

const median = (name: string) =>
  taken.get(name)!.toSorted((a, b) => a - b)[Math.floor(taken.get(name)!.length / 2)]!;
const step = median('none');
const ratio = (value: number) => value.toFixed(3);
const seconds = (value: number) => `${value.toFixed(2)} s`;
const row = (what: string, value: number, limit: number, format: (value: number) => string) =>
  `| ${what} | ${format(value)} | ≤ ${format(limit)} | ${value <= limit ? 'met' : '**missed**'} |`;
const changed = median('set') - median('lora');
await writeFile(
  join(here, 'ADAPTERS.md'),
  [
    '# Adapters while the model stays loaded',
    '',
    `Written by \`pnpm bench:adapters\`; see README.md. Stable Diffusion 1.5 with random float32 weights on the processor, one evaluation of the U-Net at 512×512, medians of ${rounds} turns. A step without adapters takes ${seconds(step)}.`,
    '',
    `Machine: ${cpus()[0]!.model}, ${physicalCores()} cores. Node ${process.versions.node}.`,
    '',
    '| what | | bar | |',
    '| --- | ---: | ---: | ---: |',
    row('a LoRA of rank 16 on all attention layers: step ÷ step without', median('lora') / step, 1.15, ratio),
    row('the same at strength 0: step ÷ step without', median('zero') / step, 1.01, ratio),
    row(
      'a [1, 2, 1] hypernetwork on the text: step ÷ step without',
      median('hypernetwork') / step,
      1.01,
      ratio,
    ),
    row('a change of strength: what the next step takes longer', changed, step, seconds),
    row(`adding a LoRA of ${(largeBytes / 1e6).toFixed(0)} MB`, median('add large'), 2, seconds),
    '',
    `Adding the LoRA of rank 16 takes ${seconds(median('add'))}, the hypernetwork, with which the U-Net is loaded again, ${seconds(median('add hypernetwork'))}. With the hypernetwork at strength 0 a step takes ${ratio(median('hypernetwork at 0') / step)} of one without.`,
    '',
  ].join('\n'),
);
