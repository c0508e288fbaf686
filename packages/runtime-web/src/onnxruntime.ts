// The page's onnxruntime: which build of onnxruntime-web it is, loaded when it is first wanted, one call at a time.
import { GraphBuilder, writeModel } from '@emulsion/onnx';
import { DeviceLostError } from '@emulsion/runtime';
import type * as OnnxruntimeWeb from 'onnxruntime-web';
import { messageOf } from './message-of.ts';

/** Settings of the instance that a page loads first; later ones have no effect on it. */
export interface OnnxruntimeOptions {
  /**
   * Where a WebAssembly file of onnxruntime-web is, such as `ort-wasm-simd-threaded.jspi.wasm`. Needed only with a bundler
   * that leaves files behind which code refers to by `new URL('file', import.meta.url)`.
   */
  readonly locateWasm?: ((fileName: string) => string | URL) | undefined;
  /** Threads for what runs on the processor; half of its cores unless said otherwise. 1 if the page is not isolated. */
  readonly threads?: number | undefined;
}

/**
 * The builds and their WebAssembly files. `jspi` waits for the GPU and for Blobs by switching stacks, `asyncify` in code
 * that was rewritten for it, which is larger and reads files whole; `plain` has no WebGPU.
 */
const builds = {
  jspi: { load: () => import('onnxruntime-web/jspi'), wasm: 'ort-wasm-simd-threaded.jspi.wasm' },
  asyncify: { load: () => import('onnxruntime-web/webgpu'), wasm: 'ort-wasm-simd-threaded.asyncify.wasm' },
  plain: { load: () => import('onnxruntime-web/wasm'), wasm: 'ort-wasm-simd-threaded.wasm' },
} as const;
type Build = keyof typeof builds;

/** The build for a device in this browser. With stack switching one build serves both devices. */
function buildFor(kind: 'webgpu' | 'wasm'): Build {
  if ('Suspending' in WebAssembly) return 'jspi';
  return kind === 'webgpu' ? 'asyncify' : 'plain';
}

/** More threads than these wait for each other more than they help. */
const maxThreads = 8;

/** Threads that a run gains from: most processors count each core twice. */
const usualThreads = () => Math.min(Math.ceil(navigator.hardwareConcurrency / 2), maxThreads);

/** Whether an error is the end of the instance that threw it. */
export const isCrash = (error: unknown): error is Error => error instanceof WebAssembly.RuntimeError;

/** Loads a graph that does nothing, with which onnxruntime loads itself. */
async function start({ InferenceSession }: typeof OnnxruntimeWeb): Promise<void> {
  const g = new GraphBuilder('start');
  g.output('y', g.op('Identity', [g.input('x', 'float32', [1])]));
  const bytes = writeModel(g.build(), () => '');
  const session = await InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  await session.release();
}

/** An instance of onnxruntime. It has one memory of at most 4 GiB, and lives as long as its page or worker. */
export class Onnxruntime {
  readonly #module: typeof OnnxruntimeWeb;
  #queue: Promise<unknown> = Promise.resolve();
  #crash: DeviceLostError | undefined;

  private constructor(module: typeof OnnxruntimeWeb) {
    this.#module = module;
  }

  static readonly #instances = new Map<Build, Promise<Onnxruntime>>();

  /** The page's instance for a device. */
  static for(kind: 'webgpu' | 'wasm', options: OnnxruntimeOptions): Promise<Onnxruntime> {
    const build = buildFor(kind);
    const loading = Onnxruntime.#instances.get(build) ?? Onnxruntime.#load(build, options);
    Onnxruntime.#instances.set(build, loading);
    loading.catch(() => Onnxruntime.#instances.delete(build));
    return loading;
  }

  static async #load(
    build: Build,
    { locateWasm, threads = usualThreads() }: OnnxruntimeOptions,
  ): Promise<Onnxruntime> {
    const { load, wasm } = builds[build];
    const module = await load();
    const { env } = module;
    env.logLevel = 'fatal';
    env.wasm.numThreads = globalThis.crossOriginIsolated ? threads : 1;
    if (locateWasm) env.wasm.wasmPaths = { wasm: String(locateWasm(wasm)) };
    try {
      await start(module);
    } catch (cause) {
      throw new Error(
        `onnxruntime's file ${wasm} could not be started (${messageOf(cause)}). If it is not where the page's bundler put it, say with "locateWasm" where it is.`,
        { cause },
      );
    }
    return new Onnxruntime(module);
  }

  /** onnxruntime-web's version. */
  get version(): string {
    return this.#module.env.versions.web ?? '';
  }

  /** Threads that a run on the processor uses. */
  get threads(): number {
    return this.#module.env.wasm.numThreads ?? 1;
  }

  /**
   * Does something with onnxruntime when all that was asked for before is done: it neither runs nor loads two graphs at
   * once.
   * @throws {DeviceLostError} if it crashed, now or before
   */
  exclusively<T>(work: (module: typeof OnnxruntimeWeb) => Promise<T>): Promise<T> {
    const turn = this.#queue.then(async () => {
      if (this.#crash) throw this.#crash;
      try {
        return await work(this.#module);
      } catch (cause) {
        if (!isCrash(cause)) throw cause;
        this.#crash = new DeviceLostError(
          `onnxruntime crashed and cannot go on: ${cause.message}. It may have run out of memory: reload the page, or start a new worker, and try a smaller picture.`,
          { cause },
        );
        throw this.#crash;
      }
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}
