// What the user sees while a picture is made: a progress bar, or JSON lines for programs.
import type { LoadEvent, MemoryPlan } from '@emulsion/pipelines';
import { SingleBar } from 'cli-progress';
import { planLines } from './plan-memory.ts';

/** A file of a model from a hub, on its way here. */
type DownloadEvent = NonNullable<LoadEvent['download']>;

/** Something that happened, as `--json` prints it. */
export type ReportEvent =
  | { readonly event: 'load'; readonly component: string; readonly loaded: number; readonly total: number }
  | ({ readonly event: 'download' } & DownloadEvent)
  | {
      readonly event: 'step';
      readonly step: number;
      readonly totalSteps: number | undefined;
      readonly progress: number;
      readonly timestep: number;
      readonly sigma: number;
    }
  | ({ readonly event: 'plan' } & MemoryPlan)
  | { readonly event: 'note'; readonly message: string }
  | {
      readonly event: 'done';
      readonly files: readonly string[];
      readonly latents?: string;
      readonly seed: string;
      readonly seconds: number;
    }
  | { readonly event: 'error'; readonly name: string; readonly message: string };

/** Where events go. */
export interface Report {
  send(event: ReportEvent): void;
  /** Takes the progress bar away. */
  close(): void;
}

/** One JSON object a line on standard output. */
export function jsonReport(): Report {
  return { send: (event) => process.stdout.write(`${JSON.stringify(event)}\n`), close: () => {} };
}

/** A progress bar with the time left on standard error, where that is a terminal; the files at the end on standard output. */
export function terminalReport(): Report {
  let bar: { readonly of: string; readonly shown: SingleBar } | undefined;
  const close = () => {
    bar?.shown.stop();
    bar = undefined;
  };
  /** Shows how far something is. Another thing, and the end, take its bar away. */
  const advance = (of: string, format: string, total: number, value: number, payload: object = {}) => {
    if (bar?.of !== of) {
      close();
      const shown = new SingleBar({
        format,
        barsize: 30,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        hideCursor: null,
        clearOnComplete: true,
        stream: process.stderr,
      });
      shown.start(total, value, payload);
      bar = { of, shown };
    }
    bar.shown.update(value, payload);
  };
  const announced = new Set<string>();
  return {
    close,
    send(event) {
      switch (event.event) {
        case 'load':
          close();
          if (process.stderr.isTTY)
            process.stderr.write(
              event.loaded < event.total ? `\rLoading ${event.component} … \x1b[K` : '\r\x1b[K',
            );
          break;
        case 'download': {
          const { file, loaded, total } = event;
          const format = 'Downloading {file} {bar} {done} of {size}, {eta_formatted} left';
          const amounts = { file, done: amount(loaded), size: amount(total) };
          if (process.stderr.isTTY) advance(`download ${file}`, format, total, loaded, amounts);
          else if (!announced.has(file) && total >= worthALine) {
            // A log shows what takes long, once.
            announced.add(file);
            process.stderr.write(`Downloading ${file} (${amount(total)})\n`);
          }
          break;
        }
        case 'step': {
          const { step, totalSteps, progress } = event;
          if (totalSteps !== undefined)
            advance(
              'steps',
              'Painting {bar} {value}/{total} steps, {eta_formatted} left',
              totalSteps,
              step + 1,
            );
          else
            advance('steps', 'Painting {bar} {steps} steps, {eta_formatted} left', 1, progress, {
              steps: step + 1,
            });
          break;
        }
        case 'plan':
          close();
          process.stderr.write(`${planLines(event).join('\n')}\n`);
          break;
        case 'note':
          close();
          process.stderr.write(`Note: ${event.message}\n`);
          break;
        case 'done':
          close();
          for (const file of event.files) process.stdout.write(`${file}\n`);
          process.stderr.write(`Seed ${event.seed}, ${event.seconds.toFixed(1)} s.\n`);
          break;
        case 'error':
          close();
          process.stderr.write(`emulsion: ${event.message}\n`);
      }
    },
  };
}

/** Bytes of a file whose download takes a while. */
const worthALine = 1e6;

/** Bytes in the unit that suits them: 700 kB, 3.4 MB, 1.2 GB. */
function amount(bytes: number): string {
  const [unit, size] = bytes >= 1e9 ? ['GB', 1e9] : bytes >= 1e6 ? ['MB', 1e6] : (['kB', 1e3] as const);
  return `${(bytes / size).toFixed(size === 1e3 ? 0 : 1)} ${unit}`;
}
