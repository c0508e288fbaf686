// Devices and sessions over onnxruntime-web.
import { type FileRef, type Model, writeModel } from '@emulsion/onnx';
import {
  type Cancellable,
  type Device,
  DeviceLostError,
  type Dialect,
  type Feed,
  type HeldTensor,
  hostWorkspace,
  RunError,
  type RunOptions,
  type Session,
  SessionError,
  untilAborted,
  type Workspace,
} from '@emulsion/runtime';
import { type AnyTensor, cpuOps, type DType, type Tensor, tensor } from '@emulsion/tensor';
import type * as OnnxruntimeWeb from 'onnxruntime-web';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-web';
import { separateWeights } from './external-weights.ts';
import { nameOf } from './graphics-card.ts';
import { messageOf } from './message-of.ts';
import { isCrash, type Onnxruntime } from './onnxruntime.ts';
import type { GpuMemory } from './webgpu/gpu-memory.ts';
import { GpuTensor } from './webgpu/gpu-tensor.ts';
import type { GpuWorkspace, workspaceOpener } from './webgpu/gpu-workspace.ts';

/** What goes wrong is thrown; onnxruntime need not print it as well. */
const silently = { logSeverityLevel: 4 } as const;

/** The name of a weight's file, which `separateWeights` gave it. */
const locate = (file: FileRef) => (file.kind === 'path' ? file.path : file.name);

/** An output of a graph, in the workspace or on the host. */
async function takeOutput(value: OnnxTensor, memory: GpuMemory | undefined): Promise<Tensor> {
  const { type, dims } = value;
  if (type !== 'float32') throw new Error(`an output is ${type}, float32 was expected`);
  // Without elements, it lies nowhere.
  if (memory && value.location === 'gpu-buffer') return memory.copy(value.gpuBuffer, dims);
  return tensor((await value.getData()) as Float32Array, dims); // the type says so
}

/** A tensor as onnxruntime takes it. */
const toOnnx = ({ Tensor }: typeof OnnxruntimeWeb, { dtype, dims, data }: AnyTensor): OnnxTensor =>
  new Tensor(dtype, data as Float32Array, dims); // the constructor checks the array against the type

/** A tensor in the graphics card's memory, or in the page's for WebAssembly, which copies what it is fed. */
class WebHeldTensor implements HeldTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  #value: OnnxTensor | undefined;

  constructor({ dtype, dims }: AnyTensor, value: OnnxTensor) {
    this.dtype = dtype;
    this.dims = dims;
    this.#value = value;
  }

  get value(): OnnxTensor {
    if (!this.#value) throw new RunError('A held tensor was released. Hold it again to feed it.');
    return this.#value;
  }

  async release(): Promise<void> {
    this.#value?.dispose();
    this.#value = undefined;
  }
}

/** Bits of WebGPU's `GPUBufferUsage`. */
const bufferUsage = { copyFrom: 0x04, copyTo: 0x08, storage: 0x80 } as const;

/** A tensor in a buffer of the graphics card. */
function toGpu(
  { Tensor }: typeof OnnxruntimeWeb,
  card: GPUDevice,
  { dtype, dims, data }: AnyTensor,
): OnnxTensor {
  if (dtype !== 'float32' && dtype !== 'int32')
    throw new RunError(
      `A tensor of type ${dtype} cannot be held on the graphics card. Give float32 or int32.`,
    );
  const buffer = card.createBuffer({
    // onnxruntime's buffers are multiples of 16 bytes.
    size: Math.ceil(data.byteLength / 16) * 16,
    usage: bufferUsage.storage | bufferUsage.copyTo | bufferUsage.copyFrom,
  });
  card.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>); // nothing here shares memory with other threads
  return Tensor.fromGpuBuffer(buffer, { dataType: dtype, dims, dispose: () => buffer.destroy() });
}

/** An input as onnxruntime takes it; what lies on the device is this device's. */
function toInput(onnxruntime: typeof OnnxruntimeWeb, feed: Feed): OnnxTensor {
  if (feed instanceof GpuTensor) {
    const { dims, place } = feed;
    return place instanceof GPUBuffer
      ? onnxruntime.Tensor.fromGpuBuffer(place, { dataType: 'float32', dims })
      : new onnxruntime.Tensor('float32', place, dims);
  }
  return 'data' in feed ? toOnnx(onnxruntime, feed) : (feed as WebHeldTensor).value;
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
    feeds: Readonly<Record<string, Feed>>,
    { signal, workspace }: RunOptions = {},
  ): Promise<Record<string, Tensor>> {
    signal?.throwIfAborted();
    this.#device.assertThere();
    const loaded = this.#loaded;
    if (!loaded) throw new RunError(`${this.#name} was disposed. Load it again to run it.`);
    const run = this.#device.exclusively(async (onnxruntime) => {
      // Whoever stopped waiting while others ran needs no run.
      signal?.throwIfAborted();
      const memory = workspace && this.#device.memoryOf(workspace);
      await memory?.makeRoom();
      const inputs = Object.entries(feeds).map(([name, feed]) => [name, toInput(onnxruntime, feed)]);
      let outputs: InferenceSession.ReturnType = {};
      try {
        outputs = await loaded.run(Object.fromEntries(inputs), silently);
        const taken = Object.entries(outputs).map(
          async ([name, value]) => [name, await takeOutput(value, memory)] as const,
        );
        return Object.fromEntries(await Promise.all(taken));
      } catch (cause) {
        if (isCrash(cause)) throw cause;
        throw new RunError(`${this.#name} failed on ${this.#device.kind}: ${messageOf(cause)}`, { cause });
      } finally {
        // Its memory is onnxruntime's again.
        for (const value of Object.values(outputs)) value.dispose();
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
  readonly #openWorkspace: (() => GpuWorkspace) | undefined;
  readonly #memories = new WeakMap<Workspace, GpuMemory>();
  /** Aborted when the device goes away, with the error that says why. */
  readonly #gone = new AbortController();

  /**
   * @param card the graphics card for WebGPU, which from now on is the device's own; none for WebAssembly
   * @param opener makes what opens workspaces on the card; without it they are on the host
   */
  constructor(onnxruntime: Onnxruntime, card?: GPUDevice, opener?: typeof workspaceOpener) {
    this.kind = card ? 'webgpu' : 'wasm';
    // A driver must first show that it can compute the fused form.
    this.dialect = card
      ? {
          attention: 'decomposed',
          groupNorm: 'instance',
          fillsConvs: true,
          blocksConvs: false,
          branches: false,
          lateCasts: card.features.has('shader-f16') ? ['float16'] : [],
        }
      : {
          attention: 'fused',
          groupNorm: 'layer',
          fillsConvs: false,
          blocksConvs: false,
          branches: true,
          lateCasts: ['float16'],
        };
    this.#onnxruntime = onnxruntime;
    this.#card = card;
    const whileThere = <T>(work: Promise<T>) => untilAborted(work, this.#gone.signal);
    const whenIdle = (work: () => void) => {
      // The memory of a card that went away went with it.
      this.exclusively(async () => work()).catch(() => undefined);
    };
    this.#openWorkspace = card && opener?.({ device: card, whileThere }, whenIdle);
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
    // The next load waits for the end of this one, even if the device goes away: onnxruntime makes one session at a time.
    const loading = this.#onnxruntime.exclusively(async ({ InferenceSession }) => {
      this.assertThere();
      const { model, weights } = await separateWeights(source);
      signal?.throwIfAborted();
      let loaded: InferenceSession;
      try {
        // Everything in the options is made for this call: onnxruntime writes into it.
        loaded = await InferenceSession.create(writeModel(model, locate), {
          executionProviders: [this.#card ? { name: 'webgpu', device: this.#card } : 'wasm'],
          externalData: weights,
          ...(this.#card && { preferredOutputLocation: 'gpu-buffer' }),
          ...silently,
        });
      } catch (cause) {
        if (isCrash(cause)) throw cause;
        throw new SessionError(`${name} could not be loaded on ${this.kind}: ${messageOf(cause)}`, { cause });
      }
      if (signal?.aborted || this.#gone.signal.aborted) await loaded.release();
      signal?.throwIfAborted();
      this.assertThere();
      const session = new WebSession(this, name, loaded);
      this.#sessions.add(session);
      return session;
    });
    return untilAborted(untilAborted(loading, this.#gone.signal), signal);
  }

  openWorkspace(): Workspace {
    const workspace = this.#openWorkspace?.();
    if (!workspace) return hostWorkspace;
    this.#memories.set(workspace, workspace.memory);
    return workspace;
  }

  /** The memory on the card of a workspace, if it is one of this device's. */
  memoryOf(workspace: Workspace): GpuMemory | undefined {
    return this.#memories.get(workspace);
  }

  async hold(tensor: AnyTensor): Promise<HeldTensor> {
    this.assertThere();
    return this.exclusively(async (onnxruntime) => {
      const value = this.#card ? toGpu(onnxruntime, this.#card, tensor) : toOnnx(onnxruntime, tensor);
      return new WebHeldTensor(tensor, value);
    });
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
