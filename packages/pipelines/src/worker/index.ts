export type { Endpoint } from './endpoint.ts';
export {
  type LoadPipelineInWorkerOptions,
  loadPipelineInWorker,
  type WorkerPipeline,
} from './load-pipeline-in-worker.ts';
export type { PipelineDescription } from './protocol.ts';
export {
  type OpenSource,
  type OpenSourceContext,
  type ServeWorkerOptions,
  serveWorker,
} from './serve-worker.ts';
export type { WorkerAdapterSettings, WorkerAdapters, WorkerAddAdapterOptions } from './worker-adapters.ts';
