// The worker's side: loads pipelines where a client asks for them, and runs them.
import type { Folder } from '@emulsion/checkpoints';
import type { RgbImage } from '@emulsion/image';
import type { Tensor } from '@emulsion/tensor';
import { type LoadEvent, type LoadPipelineOptions, loadPipeline, type Pipeline } from '../load-pipeline.ts';
import type { PaintStepEvent } from '../paint-options.ts';
import type { PipelineRequest } from '../pipeline-classes.ts';
import type { Endpoint } from './endpoint.ts';
import type {
  ClientMessage,
  OpenMessage,
  Outcome,
  PipelineDescription,
  StepQuestion,
  WorkerMessage,
} from './protocol.ts';
import { transferables } from './transferables.ts';
import { encodeError } from './wire-error.ts';
import { answerAdapters } from './worker-adapters.ts';

/** What a source may be opened with. */
export interface OpenSourceContext {
  readonly signal: AbortSignal;
  /** Tells the client how far it is, for instance with a download: see its `onProgress`. */
  onProgress(event: LoadEvent): void;
}

/** Makes of what a client calls its model what `loadPipeline` takes. */
export type OpenSource<Source> = (
  source: Source,
  context: OpenSourceContext,
) => string | Folder | Promise<string | Folder>;

export interface ServeWorkerOptions<Source> {
  /** Where clients write to; the worker's own scope unless given. */
  readonly endpoint?: Endpoint | undefined;
  /** Where models come from; unless given, clients give what `loadPipeline` takes. */
  readonly openSource?: OpenSource<Source> | undefined;
}

/**
 * Serves pipelines to the clients of a worker: see `loadPipelineInWorker`. Other messages are left alone.
 * @returns a function that takes no further clients
 */
export function serveWorker<Source = string>(options: ServeWorkerOptions<Source> = {}): () => void {
  // A worker's global scope is an endpoint; the types at hand are those of a page.
  const endpoint = options.endpoint ?? (globalThis as unknown as Endpoint);
  // Without a way to open them, sources are what loadPipeline takes.
  const openSource = options.openSource ?? ((source) => source as string);
  const listen = (event: Event) => {
    const { data } = event as MessageEvent<unknown>;
    if (isOpenMessage(data)) servePipeline(data.port, openSource as OpenSource<unknown>);
  };
  endpoint.addEventListener('message', listen);
  return () => endpoint.removeEventListener('message', listen);
}

const isOpenMessage = (data: unknown): data is OpenMessage =>
  typeof data === 'object' && data !== null && 'type' in data && data.type === 'emulsion:open';

/** A call that is under way. */
interface Running {
  readonly controller: AbortController;
  /** Settles when the call has ended, whether well or not. */
  ended?: Promise<unknown> | undefined;
  /** The step that the client is dealing with. */
  step?: { readonly event: PaintStepEvent; resume(): void } | undefined;
}

function servePipeline(port: MessagePort, openSource: OpenSource<unknown>): void {
  const calls = new Map<number, Running>();
  let pipeline: Pipeline | undefined;
  const post = (message: WorkerMessage, transfer: Transferable[] = []) => port.postMessage(message, transfer);

  const load = async (call: number, source: unknown, options: LoadPipelineOptions, signal: AbortSignal) => {
    const onProgress = (event: LoadEvent) => post({ type: 'progress', call, event });
    const opened = await openSource(source, { signal, onProgress });
    pipeline = await loadPipeline(opened, { ...options, signal, onProgress });
    return describe(pipeline);
  };
  const paint = (call: number, request: PipelineRequest, running: Running) => {
    const { signal } = running.controller;
    const onStep = (event: PaintStepEvent) =>
      new Promise<void>((resume, reject) => {
        running.step = { event, resume };
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        const { preview: _, latents: __, ...data } = event;
        post({ type: 'step', call, event: data });
      });
    // The client has nothing to paint with before it was told that the pipeline is loaded.
    return pipeline!({ ...request, signal, onStep });
  };
  const dispose = async ({ controller: own }: Running) => {
    const others = [...calls.values()].filter(({ controller }) => controller !== own);
    for (const { controller } of others) controller.abort();
    await Promise.all(others.map(({ ended }) => ended));
    await pipeline?.dispose();
    return undefined;
  };

  const answer = async (call: number, work: (running: Running) => Promise<WorkerOutput>) => {
    const running: Running = { controller: new AbortController() };
    calls.set(call, running);
    const ended = outcomeOf(work(running));
    running.ended = ended;
    const outcome = await ended;
    calls.delete(call);
    post({ type: 'done', call, outcome }, transferables(outcome));
  };
  const answerStep = async (call: number, what: StepQuestion) => {
    const event = calls.get(call)?.step?.event;
    if (!event) return; // the call was aborted, and nobody waits
    const outcome = await outcomeOf<RgbImage[] | Tensor>(event[what]());
    post({ type: 'answer', call, what, outcome }, transferables(outcome));
  };

  port.addEventListener('message', async ({ data }: MessageEvent<ClientMessage>) => {
    const { call } = data;
    switch (data.type) {
      case 'load':
        return answer(call, ({ controller }) => load(call, data.source, data.options, controller.signal));
      case 'paint':
        // The client's own types let nothing else through.
        return answer(call, (running) => paint(call, data.request as PipelineRequest, running));
      case 'plan':
        return answer(call, () => pipeline!.plan(data.pictures));
      case 'adapters':
        return answer(call, () => answerAdapters(pipeline!.adapters, data.request));
      case 'dispose':
        await answer(call, dispose);
        return port.close();
      case 'abort':
        return calls.get(call)?.controller.abort();
      case 'ask':
        return answerStep(call, data.what);
      case 'continue': {
        const running = calls.get(call);
        const step = running?.step;
        if (running) running.step = undefined;
        return step?.resume();
      }
    }
  });
  port.start();
}

type WorkerOutput = Extract<Extract<WorkerMessage, { type: 'done' }>['outcome'], { value: unknown }>['value'];

async function outcomeOf<Value>(work: Promise<Value>): Promise<Outcome<Value>> {
  try {
    return { value: await work };
  } catch (error) {
    return { error: encodeError(error) };
  }
}

function describe(pipeline: Pipeline): PipelineDescription {
  const { device, vae, schedulerConfig, defaults, notes } = pipeline;
  const { kind, dialect } = device;
  return {
    device: { kind, dialect, notes: [...device.notes] },
    ...('unet' in pipeline
      ? { unet: { config: pipeline.unet.config, unusedWeights: pipeline.unet.unusedWeights } }
      : {
          transformer: {
            config: pipeline.transformer.config,
            unusedWeights: pipeline.transformer.unusedWeights,
          },
        }),
    vae: { config: vae.config },
    schedulerConfig,
    defaults,
    notes,
  };
}
