// What was measured, as Markdown: figures, their ratios to the references of the same run, and the bars.
import { unetOperations } from './stable-diffusion-1.ts';
import type { WeightType } from './write-model.ts';

export interface Machine {
  readonly processor: string;
  /** Sets of vector instructions, as Linux calls them. */
  readonly vectors: readonly string[];
  /** Cores, each with a thread of onnxruntime and of torch. */
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  readonly system: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly torch?: string | undefined;
}

/** A picture in a process of its own. Times are seconds since the process started, memory is the peak in bytes. */
export interface PictureFigures {
  /** When the first step begins, of this and other processes. */
  readonly loads: readonly number[];
  readonly firstStep: number;
  readonly steps: readonly number[];
  readonly end: number;
  readonly memoryAfterSteps: number;
  readonly memoryAtEnd: number;
}

/** One evaluation of a U-Net, or the matrix product. */
export interface Turn {
  readonly seconds: number;
  /** Of these, the seconds within onnxruntime. */
  readonly secondsInOnnxruntime?: number;
}

/** One contender. */
export interface ContenderFigures {
  readonly turns: readonly Turn[];
  /** Bytes. */
  readonly peakMemory: number;
  /** Turns that other processes disturbed, and that were taken again. */
  readonly disturbed: number;
  /** Largest difference of an output to Emulsion's in float32. */
  readonly difference: number;
}

export interface Figures {
  readonly machine: Machine;
  /** Bytes of the U-Net's weights. */
  readonly weightBytes: Readonly<Record<WeightType, number>>;
  readonly pictures: Readonly<Record<WeightType, PictureFigures>>;
  /** Operations in a second of a matrix product, in each round. */
  readonly peak: readonly number[];
  readonly contenders: ReadonlyMap<string, ContenderFigures>;
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const seconds = (value: number) => `${value.toFixed(2)} s`;
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');

/** Of a contender: the median of its turns. */
const typical = ({ turns }: ContenderFigures) => median(turns.map((turn) => turn.seconds));

const shareOutside = ({ turns }: ContenderFigures) =>
  median(turns.map((turn) => 1 - (turn.secondsInOnnxruntime ?? turn.seconds) / turn.seconds));

/** What is asked of Emulsion, and how it did. */
function bars({ pictures, weightBytes, contenders }: Figures): string[][] {
  const row = (what: string, value: number, limit: number, format: (value: number) => string) => [
    what,
    format(value),
    `≤ ${format(limit)}`,
    value <= limit ? 'met' : '**missed**',
  ];
  const ratio = (value: number) => value.toFixed(2);
  const fp32 = contenders.get('Emulsion, fp32')!;
  const rows = [
    row('fp32: start of the process to the first step', median(pictures.fp32.loads), 10, seconds),
    ...(['fp32', 'fp16'] as const).map((type) =>
      row(
        `${type}: peak memory until the last step`,
        pictures[type].memoryAfterSteps,
        1.15 * weightBytes[type] + 1.2e9,
        gigabytes,
      ),
    ),
    row('fp32: share of a step outside onnxruntime', shareOutside(fp32), 0.01, percent),
  ];
  for (const [name, limit] of [
    ['torch', 0.75],
    ['exported', 0.97],
  ] as const) {
    const reference = contenders.get(name);
    if (reference)
      rows.push(row(`fp32: seconds a step ÷ ${name}'s`, typical(fp32) / typical(reference), limit, ratio));
  }
  return rows;
}

/** The text of RESULTS.md. */
export function report(figures: Figures): string {
  const { machine, pictures, peak, contenders } = figures;
  const best = Math.max(...peak);
  const operations = unetOperations();
  const fp32 = typical(contenders.get('Emulsion, fp32')!);
  const { processor, vectors, cores, memory, system, node, onnxruntime, torch } = machine;
  const versions = [`Node ${node}`, `onnxruntime ${onnxruntime}`, ...(torch ? [`torch ${torch}`] : [])];
  return `# Results

Written by \`pnpm bench\`; see README.md for what is measured and how.

Machine: ${processor} (${vectors.join(', ')}), ${cores} cores, ${gigabytes(memory)} of memory, ${system}. ${versions.join(', ')}, ${cores} threads each.

## Bars

${table(['', 'measured', 'bar', ''], bars(figures))}

## One evaluation of the U-Net, 512×512, batch 1

Median of ${peak.length} rounds in which everyone took turns. One evaluation is ${(operations / 1e9).toFixed(0)} GFLOP in convolutions, linear layers and attention; a product of 2048×2048 matrices reaches ${(best / 1e9).toFixed(0)} GFLOP/s at best.

${table(
  [
    '',
    'seconds',
    'fastest, slowest',
    "÷ Emulsion's fp32",
    'share of the peak',
    'outside onnxruntime',
    'peak memory',
    'largest difference',
    'turns repeated',
  ],
  [...contenders].map(([name, contender]) => {
    const all = contender.turns.map((turn) => turn.seconds);
    const measured = contender.turns.some((turn) => turn.secondsInOnnxruntime !== undefined);
    return [
      name,
      typical(contender).toFixed(2),
      `${Math.min(...all).toFixed(2)}, ${Math.max(...all).toFixed(2)}`,
      (typical(contender) / fp32).toFixed(2),
      percent(operations / typical(contender) / best),
      measured ? percent(shareOutside(contender)) : '',
      gigabytes(contender.peakMemory),
      contender.difference.toExponential(1),
      `${contender.disturbed}`,
    ];
  }),
)}

## A picture, 512×512, two guided steps, in a process of its own

Start is the time from the start of a process to its first step, of ${pictures.fp32.loads.length} processes; memory is the sum of the peaks of both processes, mapped files included.

${table(
  [
    '',
    'start',
    'fastest, slowest',
    'first step',
    'second step',
    'decoding',
    'peak memory until then',
    'with decoding',
  ],
  Object.entries(pictures).map(([type, { loads, firstStep, steps, end, memoryAfterSteps, memoryAtEnd }]) => [
    type,
    seconds(median(loads)),
    `${Math.min(...loads).toFixed(2)}, ${Math.max(...loads).toFixed(2)}`,
    seconds(steps[0]! - firstStep),
    seconds(steps[1]! - steps[0]!),
    seconds(end - steps[1]!),
    gigabytes(memoryAfterSteps),
    gigabytes(memoryAtEnd),
  ]),
)}
`;
}
