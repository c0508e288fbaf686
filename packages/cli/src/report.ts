// What the user sees while a picture is made: a progress bar, or JSON lines for programs.
import { SingleBar } from 'cli-progress';

/** Something that happened, as `--json` prints it. */
export type ReportEvent =
  | { readonly event: 'load'; readonly component: string; readonly loaded: number; readonly total: number }
  | {
      readonly event: 'step';
      readonly step: number;
      readonly totalSteps: number;
      readonly timestep: number;
      readonly sigma: number;
    }
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
  let bar: SingleBar | undefined;
  const close = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    close,
    send(event) {
      switch (event.event) {
        case 'load':
          if (process.stderr.isTTY)
            process.stderr.write(
              event.loaded < event.total ? `\rLoading ${event.component} … \x1b[K` : '\r\x1b[K',
            );
          break;
        case 'step':
          if (!bar) {
            bar = new SingleBar({
              format: 'Painting {bar} {value}/{total} steps, {eta_formatted} left',
              barsize: 30,
              barCompleteChar: '█',
              barIncompleteChar: '░',
              hideCursor: null,
              clearOnComplete: true,
              stream: process.stderr,
            });
            bar.start(event.totalSteps, 0);
          }
          bar.update(event.step + 1);
          break;
        case 'note':
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
