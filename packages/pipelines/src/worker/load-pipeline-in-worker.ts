// The client's side: a pipeline whose every computation happens in a worker.
import { DeviceLostError } from '@emulsion/runtime';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { LoadEvent, LoadPipelineOptions } from '../load-pipeline.ts';
import type { MemoryPlan, PlannedPictures } from '../memory-plan.ts';
import type { PaintResult, PaintStepEvent } from '../paint-options.ts';
import type { PipelineRequest } from '../pipeline-classes.ts';
import type { StepEvent } from '../run-sampler.ts';
import type { Endpoint } from './endpoint.ts';
import {
  type ClientMessage,
  loadCall,
  type OpenMessage,
  type Outcome,
  type PipelineDescription,
  type StepQuestion,
  type WorkerMessage,
} from './protocol.ts';
import { decodeError } from './wire-error.ts';
import { adaptersBy, type WorkerAdapters } from './worker-adapters.ts';

/** As without a worker, but for what cannot be posted to one. */
export interface LoadPipelineInWorkerOptions extends Omit<LoadPipelineOptions, 'device' | 'storage'> {
  /** What to run on; `auto` unless said otherwise. */
  readonly device?: Exclude<LoadPipelineOptions['device'], object> | undefined;
}

/** A pipeline in a worker. It paints as a `Pipeline` does; of its parts there is what is data. */
export interface WorkerPipeline extends PipelineDescription {
  /** Without an `image` from the prompt alone, with one from that. */
  (options: PipelineRequest): Promise<PaintResult>;
  /** What changes the model while it stays loaded; files are posted. */
  readonly adapters: WorkerAdapters;
  /** What pictures take of memory; see `Painter`. */
  plan(pictures?: Partial<PlannedPictures>): Promise<MemoryPlan>;
  /** Frees the model. The worker itself lives on, for another pipeline or until it is terminated. */
  dispose(): Promise<void>;
}

/**
 * Loads a model in a worker that called `serveWorker`.
 * @param worker a `Worker`, or a started `MessagePort` to one
 * @param source what the worker's `openSource` takes, anything that can be posted; else a path or a model's id
 * @throws as `loadPipeline`; {DeviceLostError}, here and from every later call, if the worker fails
 */
export async function loadPipelineInWorker(
  worker: Endpoint,
  source: unknown,
  { signal, onProgress, ...options }: LoadPipelineInWorkerOptions = {},
): Promise<WorkerPipeline> {
  signal?.throwIfAborted();
  const connection = new Connection(worker);
  try {
    const description = await connection.call<PipelineDescription>(
      { type: 'load', call: loadCall, source, options },
      { signal, onProgress },
    );
    return Object.assign(painter(connection), description, {
      adapters: adaptersBy((request) =>
        connection.call({ type: 'adapters', call: connection.nextCall(), request }, {}),
      ),
      plan: (pictures?: Partial<PlannedPictures>) =>
        connection.call<MemoryPlan>({ type: 'plan', call: connection.nextCall(), pictures }, {}),
      dispose: () => connection.dispose(),
    });
  } catch (error) {
    // Loaded after all, or not: what there is of it goes.
    void connection.dispose().catch(() => {});
    throw error;
  }
}

const painter =
  (connection: Connection) =>
  ({ signal, onStep, ...request }: PipelineRequest) =>
    connection.call<PaintResult>({ type: 'paint', call: connection.nextCall(), request }, { signal, onStep });

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: LoadEvent) => void) | undefined;
  readonly onStep?: ((event: PaintStepEvent) => void | Promise<void>) | undefined;
}

/** Someone who waits for the worker. */
interface Waiting<Value> {
  resolve(value: Value): void;
  reject(error: unknown): void;
}

/** A call whose end is awaited. */
interface Pending extends CallOptions, Waiting<unknown> {
  /** Who waits for a preview of the step at hand, or for its latents. */
  readonly asked: { readonly [What in StepQuestion]: Waiting<unknown>[] };
}

/** The port of one pipeline. */
class Connection {
  readonly #worker: Endpoint;
  readonly #port: MessagePort;
  readonly #pending = new Map<number, Pending>();
  #lastCall = loadCall;
  #disposed: Promise<void> | undefined;
  #lost: DeviceLostError | undefined;

  constructor(worker: Endpoint) {
    this.#worker = worker;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.addEventListener('message', ({ data }: MessageEvent<WorkerMessage>) => this.#receive(data));
    port1.start();
    worker.addEventListener('error', this.#fail);
    const message: OpenMessage = { type: 'emulsion:open', port: port2 };
    worker.postMessage(message, [port2]);
  }

  nextCall(): number {
    this.#lastCall += 1;
    return this.#lastCall;
  }

  /** Makes a call. If it is aborted, or a listener throws, nobody waits for the worker to notice. */
  async call<Output>(message: ClientMessage, options: CallOptions): Promise<Output> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#lost) throw this.#lost;
    if (this.#disposed && message.type !== 'dispose')
      throw new DeviceLostError('The pipeline was disposed. Load it again to go on.');
    const { call } = message;
    const abort = () => this.#abandon(call, signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise<Output>((resolve, reject) => {
        // The worker answers a call with what belongs to it.
        const settled = { resolve: resolve as (value: unknown) => void, reject };
        this.#pending.set(call, { ...options, ...settled, asked: { preview: [], latents: [] } });
        this.#post(message);
      });
    } finally {
      this.#pending.delete(call);
      signal?.removeEventListener('abort', abort);
    }
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    try {
      // The worker may be gone; then there is nothing left to free.
      if (!this.#lost) await this.call({ type: 'dispose', call: this.nextCall() }, {});
    } finally {
      this.#worker.removeEventListener('error', this.#fail);
      for (const call of this.#pending.keys())
        this.#settle(call, new DeviceLostError('The pipeline was disposed while it was at work.'));
      this.#port.close();
    }
  }

  #post(message: ClientMessage): void {
    this.#port.postMessage(message);
  }

  #receive(message: WorkerMessage): void {
    const pending = this.#pending.get(message.call);
    if (!pending) return;
    switch (message.type) {
      case 'progress':
        this.#progress(message.call, pending, message.event);
        return;
      case 'step':
        void this.#step(message.call, pending, message.event);
        return;
      case 'answer': {
        const waiting = pending.asked[message.what].shift();
        if (waiting) settle(waiting, message.outcome);
        return;
      }
      case 'done':
        settle(pending, message.outcome);
    }
  }

  #progress(call: number, { onProgress }: Pending, event: LoadEvent): void {
    try {
      onProgress?.(event);
    } catch (error) {
      this.#abandon(call, error);
    }
  }

  async #step(call: number, { onStep, asked }: Pending, event: Omit<StepEvent, StepQuestion>): Promise<void> {
    let over = false;
    const ask = <What extends StepQuestion>(what: What) =>
      new Promise<Awaited<ReturnType<PaintStepEvent[What]>>>((resolve, reject) => {
        if (over) {
          const text = `${what}: step ${event.step + 1} is over. Ask while onStep runs.`;
          return reject(new InvalidArgumentError(text));
        }
        // The worker answers a question with what belongs to it.
        asked[what].push({ resolve: resolve as (value: unknown) => void, reject });
        this.#post({ type: 'ask', call, what });
      });
    try {
      await onStep?.({ ...event, preview: () => ask('preview'), latents: () => ask('latents') });
      over = true;
      this.#post({ type: 'continue', call });
    } catch (error) {
      over = true;
      this.#abandon(call, error);
    }
  }

  /** Ends a call here, and tells the worker not to go on with it. */
  #abandon(call: number, reason: unknown): void {
    if (!this.#pending.has(call)) return;
    this.#post({ type: 'abort', call });
    this.#settle(call, reason);
  }

  #settle(call: number, reason: unknown): void {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    pending?.reject(reason);
    for (const waiting of Object.values(pending?.asked ?? {}).flat()) waiting.reject(reason);
  }

  readonly #fail = (event: Event): void => {
    const reason = 'message' in event ? ` (${event.message})` : '';
    this.#lost = new DeviceLostError(
      `The worker failed${reason}. Start another one and load the model in it.`,
    );
    for (const call of this.#pending.keys()) this.#settle(call, this.#lost);
  };
}

function settle<Value>({ resolve, reject }: Waiting<Value>, outcome: Outcome<Value>): void {
  if ('error' in outcome) reject(decodeError(outcome.error));
  else resolve(outcome.value);
}
