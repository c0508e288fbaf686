// The adapters of a pipeline in a worker: what is asked of them, as data.
import type { AdapterInfo, Adapters, AddAdapterOptions } from '../adapters.ts';
import type { AdapterSettings } from '../adapters-strength.ts';

/** Settings without a schedule, which is a function and stays in its thread. */
export interface WorkerAdapterSettings extends Pick<AdapterSettings, 'weights'> {
  readonly strength?: number | undefined;
}

export interface WorkerAddAdapterOptions
  extends WorkerAdapterSettings,
    Pick<AddAdapterOptions, 'name' | 'revision' | 'localFilesOnly' | 'token' | 'endpoint'> {}

/** The adapters of a pipeline in a worker; see `Adapters`. */
export interface WorkerAdapters {
  add(source: string | File, options?: WorkerAddAdapterOptions): Promise<AdapterInfo>;
  set(name: string, settings: number | WorkerAdapterSettings): Promise<void>;
  remove(name: string): Promise<void>;
  list(): Promise<AdapterInfo[]>;
  merge(): Promise<string[]>;
}

/** A call of a method, with what can be posted. */
export type AdapterRequest = {
  readonly [Method in keyof WorkerAdapters]: {
    readonly method: Method;
    readonly args: Parameters<WorkerAdapters[Method]>;
  };
}[keyof WorkerAdapters];

/** What a method gave. */
export type AdapterAnswer = Awaited<ReturnType<WorkerAdapters[keyof WorkerAdapters]>>;

/** The client's side. @param ask posts a request and waits for what it gives */
export const adaptersBy = (ask: <Answer>(request: AdapterRequest) => Promise<Answer>): WorkerAdapters => ({
  add: (...args) => ask({ method: 'add', args }),
  set: (...args) => ask({ method: 'set', args }),
  remove: (...args) => ask({ method: 'remove', args }),
  list: () => ask({ method: 'list', args: [] }),
  merge: () => ask({ method: 'merge', args: [] }),
});

/** The worker's side. */
export async function answerAdapters(adapters: Adapters, request: AdapterRequest): Promise<AdapterAnswer> {
  switch (request.method) {
    case 'add':
      return adapters.add(...request.args);
    case 'set':
      return adapters.set(...request.args);
    case 'remove':
      return adapters.remove(...request.args);
    case 'list':
      return adapters.list();
    case 'merge':
      return adapters.merge();
  }
}
