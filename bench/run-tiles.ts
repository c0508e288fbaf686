// Measures what decoding by tiles takes: memory at 2048×2048 beside a whole decode at 1024×1024, and the difference where
// both run; see README.md. node run-tiles.ts [LARGE SMALL]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryOf } from './processes.ts';
import { writeModel } from './write-model.ts';

const [large, small] = process.argv.length > 3 ? process.argv.slice(2).map(Number) : [2048, 1024];
const here = dirname(fileURLToPath(import.meta.url));
const model = join(here, '.models', 'sd15-fp32');
const outputOf = (size: number, way: string) => join(here, '.models', `${way}-${size}.output`);

/** One decode in a process of its own. */
interface Decode {
  readonly seconds: number;
  /** The most bytes that it and what it started had at one time. */
  readonly peak: number;
}

async function decode(size: number, way: 'whole' | 'tiled'): Promise<Decode> {
  process.stderr.write(`Decoding ${size}×${size}, ${way} …\n`);
  const flags = ['--conditions=emulsion:source', '--disable-warning=ExperimentalWarning'];
  const worker = [join(here, 'tiles-worker.ts'), join(model, 'vae'), String(size), way, outputOf(size, way)];
  const child = spawn(process.execPath, [...flags, ...worker], { stdio: ['ignore', 'pipe', 'inherit'] });
  let [peak, printed] = [0, ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const watch = setInterval(() => {
    peak = Math.max(peak, memoryOf(child.pid!).resident);
  }, 50);
  const [code] = await once(child, 'exit');
  clearInterval(watch);
  if (code !== 0) throw new Error(`tiles-worker.ts ended with ${code}.`);
  return { seconds: Number(printed), peak };
}

/** The largest difference of the two decodes of a size; a shade of 256 is 2/255. */
async function differenceAt(size: number): Promise<number> {
  const [whole, tiled] = await Promise.all(
    (['whole', 'tiled'] as const).map(async (way) => {
      const { buffer, byteOffset, byteLength } = await readFile(outputOf(size, way));
      return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    }),
  );
  return whole!.reduce((worst, value, i) => Math.max(worst, Math.abs(value - tiled![i]!)), 0);
}

await writeModel(model, 'fp32');
const rows: [string, Decode][] = [
  [`${small}×${small}, whole`, await decode(small!, 'whole')],
  [`${small}×${small}, by tiles`, await decode(small!, 'tiled')],
  [`${large}×${large}, by tiles`, await decode(large!, 'tiled')],
];
const difference = await differenceAt(small!);
const share = rows[2]![1].peak / (2 * rows[0]![1].peak);
const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
await writeFile(
  join(here, 'TILES.md'),
  [
    '# Decoding by tiles',
    '',
    'The autoencoder of Stable Diffusion 1.5 in float32, random weights, on the processor.',
    '',
    '| picture | peak memory | time |',
    '|---|---|---|',
    ...rows.map(([name, { peak, seconds }]) => `| ${name} | ${gib(peak)} | ${seconds.toFixed(0)} s |`),
    '',
    `Largest difference at ${small}×${small}: ${difference.toExponential(1)} (a shade of 256 is ${(2 / 255).toExponential(1)}).`,
    `Peak of the large picture over twice that of the whole small one: ${share.toFixed(2)}; at most 0.25 is wanted.`,
    '',
  ].join('\n'),
);
