// Devices and sessions over onnxruntime-web.
import { type FileRef, type Model, writeModel } from '@emulsion/onnx';
import {
  type Cancellable,
  type Device,
  DeviceLostError,
  type Dialect,
  RunError,
  type Session,
  SessionError,
  untilAborted,
} from '@emulsion/runtime';
import { type AnyTensor, cpuOps, type Tensor, tensor } from '@emulsion/tensor';
import type * as OnnxruntimeWeb from 'onnxruntime-web';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-web';
import { separateWeights } from './external-weights.ts';
import { nameOf } from './graphics-card.ts';
import { messageOf } from './message-of.ts';
import { isCrash, type Onnxruntime } from './onnxruntime.ts';

/** What goes wrong is thrown; onnxruntime need not print it as well. */
const silently = { logSeverityLevel: 4 } as const;

/** The name of a weight's file, which `separateWeights` gave it. */
const locate = (file: FileRef) => (file.kind === 'path' ? file.path : file.name);

function fromOnnx({ type, dims, data }: OnnxTensor): Tensor {
  if (type !== 'float32') throw new Error(`an output is ${type}, float32 was expected`);
  return tensor(data as Float32Array, dims); // the type says so
}

class WebSession implements Session {
  readonly #device: WebDevice;
  readonly #name: string;
  #loaded: InferenceSession | undefined;

  constructor(device: WebDevice, name: string, loaded: InferenceSession) {
    this.#device = device;
    this.#name = name;
    this.#loaded = loaded;
  }

  async run(
    feeds: Readonly<Record<string, AnyTensor>>,
    { signal }: Cancellable = {},
  ): Promise<Record<string, Tensor>> {
    signal?.throwIfAborted();
    this.#device.assertThere();
    const loaded = this.#loaded;
    if (!loaded) throw new RunError(`${this.#name} was disposed. Load it again to run it.`);
    const run = this.#device.exclusively(async (onnxruntime) => {
      // Whoever stopped waiting while others ran needs no run.
      signal?.throwIfAborted();
      const inputs = Object.entries(feeds).map(([name, { dtype, dims, data }]) => [
        name,
        new onnxruntime.Tensor(dtype, data as Float32Array, dims), // the constructor checks the array against the type
      ]);
      try {
        const outputs = await loaded.run(Object.fromEntries(inputs), silently);
        return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, fromOnnx(value)]));
      } catch (cause) {
        if (isCrash(cause)) throw cause;
        throw new RunError(`${this.#name} failed on ${this.#device.kind}: ${messageOf(cause)}`, { cause });
      }
    });
    return untilAborted(run, signal);
  }

  async dispose(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    if (loaded) await this.#device.release(this, loaded);
  }
}

/** A device of the page. */
export class WebDevice implements Device {
  readonly kind: 'webgpu' | 'wasm';
  readonly ops = cpuOps;
  readonly notes: string[] = [];
  dialect: Dialect;
  readonly #onnxruntime: Onnxruntime;
  readonly #card: GPUDevice | undefined;
  readonly #sessions = new Set<Session>();
  /** Aborted when the device goes away, with the error that says why. */
  readonly #gone = new AbortController();

  /** @param card the graphics card for WebGPU, which from now on is the device's own; none for WebAssembly */
  constructor(onnxruntime: Onnxruntime, card?: GPUDevice) {
    this.kind = card ? 'webgpu' : 'wasm';
    // A driver must first show that it can compute the fused form.
    this.dialect = card
      ? {
          attention: 'decomposed',
          groupNorm: 'instance',
          fillsConvs: true,
          blocksConvs: false,
          lateCasts: card.features.has('shader-f16') ? ['float16'] : [],
        }
      : {
          attention: 'fused',
          groupNorm: 'layer',
          fillsConvs: false,
          blocksConvs: false,
          lateCasts: ['float16'],
        };
    this.#onnxruntime = onnxruntime;
    this.#card = card;
    card?.lost.then(({ message }) => {
      const reason = message === '' ? 'the browser does not say why' : message;
      this.#gone.abort(
        new DeviceLostError(
          `The graphics card "${nameOf(card.adapterInfo)}" went away: ${reason}. Create a new device to go on; a smaller picture takes less of its memory.`,
        ),
      );
    });
  }

  /** What the browser says of the graphics card, if the device is one. */
  get adapterInfo(): GPUAdapterInfo | undefined {
    return this.#card?.adapterInfo;
  }

  /** @throws {DeviceLostError} if the device went away or was disposed */
  assertThere(): void {
    this.#gone.signal.throwIfAborted();
  }

  /** Does something with onnxruntime when it is free. @throws {DeviceLostError} if the device goes away before the end */
  exclusively<T>(work: (onnxruntime: typeof OnnxruntimeWeb) => Promise<T>): Promise<T> {
    return this.#onnxruntime.exclusively((module) => {
      this.assertThere();
      return untilAborted(work(module), this.#gone.signal);
    });
  }

  async createSession(source: Model, { signal }: Cancellable = {}): Promise<Session> {
    signal?.throwIfAborted();
    this.assertThere();
    const { name } = source.graph;
    const loading = this.exclusively(async ({ InferenceSession }) => {
      const { model, weights } = await separateWeights(source);
      signal?.throwIfAborted();
      let loaded: InferenceSession;
      try {
        // Everything in the options is made for this call: onnxruntime writes into it.
        loaded = await InferenceSession.create(writeModel(model, locate), {
          executionProviders: [this.#card ? { name: 'webgpu', device: this.#card } : 'wasm'],
          externalData: weights,
          ...silently,
        });
      } catch (cause) {
        if (isCrash(cause)) throw cause;
        throw new SessionError(`${name} could not be loaded on ${this.kind}: ${messageOf(cause)}`, { cause });
      }
      if (signal?.aborted) await loaded.release();
      signal?.throwIfAborted();
      const session = new WebSession(this, name, loaded);
      this.#sessions.add(session);
      return session;
    });
    return untilAborted(loading, signal);
  }

  /** Frees a session, even if the device went away. */
  async release(session: Session, loaded: InferenceSession): Promise<void> {
    this.#sessions.delete(session);
    await this.#onnxruntime.exclusively(() => loaded.release());
  }

  async dispose(): Promise<void> {
    this.#gone.abort(new DeviceLostError('The device was disposed. Create a new one to go on.'));
    for (const session of this.#sessions) await session.dispose();
    this.#card?.destroy();
  }
}
