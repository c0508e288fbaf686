// Measures what a step costs outside of the network; see README.md.
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPython } from './find-python.ts';
import { physicalCores } from './processes.ts';
import { samplerConfigs } from './sampler-configs.ts';
import { Worker } from './worker.ts';

const rounds = Number(process.argv[2] ?? 15);
const limit = 0.5;
const here = dirname(fileURLToPath(import.meta.url));
type Turn = { readonly seconds: number };

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const microseconds = (value: number) => `${(value * 1e6).toFixed(0)} µs`;

const python = findPython('torch', 'diffusers', 'scipy');
const sections: string[] = [];
let versions: { readonly torch: string; readonly diffusers: string } | undefined;
for (const size of [64, 128]) {
  const node = ['--conditions=emulsion:source', '--disable-warning=ExperimentalWarning'];
  const ours = new Worker<Turn>(process.execPath, [...node, join(here, 'samplers-worker.ts'), `${size}`]);
  await ours.ready();
  const theirs = python
    ? new Worker<Turn>(python, [join(here, 'diffusers_steps.py'), `${size}`, `${physicalCores()}`])
    : undefined;
  if (theirs) versions = await theirs.ready();
  const rows: string[] = [];
  for (const [name, config] of [...Object.entries(samplerConfigs), ['noise', undefined] as const]) {
    const request = config ? JSON.stringify(config) : 'noise';
    const seconds: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
    // The first three rounds warm up.
    for (let round = -3; round < rounds; round++) {
      const turn = { ours: await ours.turn(request), theirs: await theirs?.turn(request) };
      if (round < 0) continue;
      seconds.ours.push(turn.ours.seconds);
      if (turn.theirs) seconds.theirs.push(turn.theirs.seconds);
    }
    const mine = median(seconds.ours);
    const reference = seconds.theirs.length > 0 ? median(seconds.theirs) : undefined;
    const ratio = reference && mine / reference;
    const verdict = ratio === undefined || name === 'noise' ? '' : ratio <= limit ? 'met' : '**missed**';
    rows.push(
      `| ${name} | ${microseconds(mine)} | ${reference ? microseconds(reference) : ''} | ${ratio?.toFixed(2) ?? ''} | ${verdict} |`,
    );
    process.stderr.write(`${size}×${size} ${rows.at(-1)}\n`);
  }
  sections.push(`## Latents of 1×4×${size}×${size}

| | Emulsion | diffusers | ratio | bar: ≤ ${limit} |
| --- | ---: | ---: | ---: | ---: |
${rows.join('\n')}
`);
  await ours.close();
  await theirs?.close();
}

const text = `# What a step costs outside of the network

Written by \`pnpm bench:samplers\`; see README.md for what is measured and how. Median of ${rounds} rounds; seconds an evaluation. The noise of stochastic samplers lies ready; what drawing it costs is the last row.

Machine: ${cpus()[0]!.model}, ${physicalCores()} cores. Node ${process.versions.node}${versions ? `, diffusers ${versions.diffusers} on torch ${versions.torch}` : ''}.

${sections.join('\n')}`;
await writeFile(join(here, 'SAMPLERS.md'), text);
process.stdout.write(text);
