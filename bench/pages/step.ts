// A page that hands the folder which a visitor picks to a worker, and shows how that gets on.

/** A file with its path in the folder: a posted file forgets where it lay. */
export interface PlacedFile {
  readonly path: string;
  readonly file: File;
}

/** What the worker has done so far. */
export interface StepReport {
  readonly notes: readonly string[];
  /** Seconds. */
  readonly load?: number;
  readonly step?: number;
  readonly output?: readonly number[];
  /** Bytes of WebAssembly's memory. */
  readonly wasmMemory: number;
  readonly error?: string;
}

const worker = new Worker(new URL('./step-worker.ts', import.meta.url), { type: 'module' });
worker.addEventListener('message', ({ data }: MessageEvent<StepReport>) => {
  Object.assign(window, { report: data });
});
document.querySelector('input')?.addEventListener('change', ({ currentTarget }) => {
  const files = [...((currentTarget as HTMLInputElement).files ?? [])]; // the listener is the field's
  worker.postMessage(files.map((file): PlacedFile => ({ path: file.webkitRelativePath, file })));
});
