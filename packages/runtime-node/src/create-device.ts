// Devices in Node: onnxruntime's execution providers, each tried by itself because their list is no fallback chain.
import { parse } from 'node:path';
import {
  dataTypeNumbers,
  type FileRef,
  GraphBuilder,
  type Initializer,
  isByteRange,
  type Model,
  writeModel,
} from '@emulsion/onnx';
import {
  type Cancellable,
  type Device,
  type DeviceKind,
  DeviceLostError,
  DeviceUnavailableError,
  type Dialect,
  type Feed,
  type HeldTensor,
  hostWorkspace,
  RunError,
  type Session,
  SessionError,
  testAttention,
  untilAborted,
} from '@emulsion/runtime';
import {
  type AnyTensor,
  cpuOps,
  type DType,
  HalfTensor,
  InvalidArgumentError,
  type Tensor,
  tensor,
} from '@emulsion/tensor';
import { InferenceClient, RequestFailure } from './inference-client.ts';
import type { WireFeed, WireHalfTensor, WireModel, WireTensor } from './protocol.ts';
import { TemporaryFiles } from './temporary-files.ts';

/** The location by which onnxruntime finds a file: within `root`, so that links to anywhere on the drive are followed. */
const locate = (file: FileRef) =>
  file.kind === 'path' ? file.path.slice(parse(file.path).root.length) : file.name;

/** Bytes of weights in memory from which on they are put into a file. */
const fewBytes = 64 * 2 ** 20;

/**
 * onnxruntime takes weights from files or from memory, not from both: beside weights in files, those in memory become a
 * part of the graph. Mostly they are few: what had to be transposed, for instance. Many become a file.
 */
async function withOneKindOfFile(given: Model, files: TemporaryFiles): Promise<Model> {
  const model = await withFewInMemory(given, files);
  const { initializers } = model.graph;
  const isOnDisk = ({ data }: Initializer) => isByteRange(data) && data.file.kind === 'path';
  if (!initializers.some(isOnDisk)) return model;
  const inside = initializers.map(async (initializer): Promise<Initializer> => {
    const { data } = initializer;
    if (!isByteRange(data) || data.file.kind === 'path') return initializer;
    const { file, offset, length } = data;
    const end = offset + length;
    return {
      ...initializer,
      data:
        file.kind === 'bytes'
          ? file.bytes.subarray(offset, end)
          : new Uint8Array(await file.blob.slice(offset, end).arrayBuffer()),
    };
  });
  return { ...model, graph: { ...model.graph, initializers: await Promise.all(inside) } };
}

/** The model with its weights in memory in a file, if they are many and others are in files. */
async function withFewInMemory(model: Model, files: TemporaryFiles): Promise<Model> {
  const { initializers } = model.graph;
  const held = initializers.flatMap(({ data }) =>
    isByteRange(data) && data.file.kind === 'bytes'
      ? [{ data, bytes: data.file.bytes.subarray(data.offset, data.offset + data.length) }]
      : [],
  );
  const total = held.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (total < fewBytes || !initializers.some(({ data }) => isByteRange(data) && data.file.kind === 'path'))
    return model;
  const path = await files.write(held.map(({ bytes }) => bytes));
  let offset = 0;
  const ranges = new Map(
    held.map(({ data, bytes: { length } }) => {
      const range = { file: { kind: 'path', path }, offset, length } as const;
      offset += length;
      return [data, range] as const;
    }),
  );
  const moved = initializers.map((initializer): Initializer => {
    const { data } = initializer;
    return { ...initializer, data: (isByteRange(data) ? ranges.get(data) : undefined) ?? data };
  });
  return { ...model, graph: { ...model.graph, initializers: moved } };
}

async function wireModel(
  given: Model,
  executionProvider: string,
  temporary: TemporaryFiles,
): Promise<WireModel> {
  const model = await withOneKindOfFile(given, temporary);
  const files = new Map<string, FileRef>();
  for (const { data } of model.graph.initializers)
    if (isByteRange(data)) files.set(locate(data.file), data.file);
  const roots = new Set<string>();
  const externalData: { path: string; data: Uint8Array }[] = [];
  for (const [path, file] of files) {
    if (file.kind === 'path') roots.add(parse(file.path).root);
    else
      externalData.push({
        path,
        data: file.kind === 'bytes' ? file.bytes : new Uint8Array(await file.blob.arrayBuffer()),
      });
  }
  const [root = '/', ...others] = roots;
  if (others.length > 0) {
    throw new SessionError(
      `${model.graph.name}: its weights lie on several drives (${root}, ${others.join(', ')}). Put them on one.`,
    );
  }
  return { bytes: writeModel(model, locate), root, externalData, executionProvider };
}

/** A session that is loaded into the device's process, anew if that was replaced. */
class NodeSession implements Session {
  readonly #device: NodeDevice;
  readonly #name: string;
  readonly #model: WireModel;
  #loaded: { readonly client: InferenceClient; readonly number: number } | undefined;
  #disposed = false;

  constructor(device: NodeDevice, name: string, model: WireModel) {
    this.#device = device;
    this.#name = name;
    this.#model = model;
  }

  async load(): Promise<void> {
    const client = this.#device.client();
    if (this.#loaded?.client === client) return;
    const number = this.#device.nextSession++;
    try {
      await client.request({ type: 'create', session: number, model: this.#model });
    } catch (cause) {
      if (!(cause instanceof RequestFailure)) throw cause;
      throw new SessionError(`${this.#name} could not be loaded on ${this.#device.kind}: ${cause.message}`, {
        cause,
      });
    }
    this.#loaded = { client, number };
  }

  async run(
    feeds: Readonly<Record<string, Feed>>,
    { signal }: Cancellable = {},
  ): Promise<Record<string, Tensor>> {
    if (this.#disposed) throw new RunError(`${this.#name} was disposed. Load it again to run it.`);
    signal?.throwIfAborted();
    return untilAborted(this.#run(feeds), signal);
  }

  async #run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Tensor>> {
    await this.load();
    const { client, number } = this.#loaded!;
    const wired: Record<string, WireFeed> = {};
    for (const [name, feed] of Object.entries(feeds))
      wired[name] =
        'data' in feed ? wireTensor(feed) : { held: await (feed as NodeHeldTensor).sendTo(client) };
    try {
      const outputs = await client.request({ type: 'run', session: number, feeds: wired });
      return Object.fromEntries(
        Object.entries(outputs).map(([name, { dims, data }]) => [name, tensor(data as Float32Array, dims)]), // our graphs give float32
      );
    } catch (cause) {
      if (!(cause instanceof RequestFailure)) throw cause;
      throw new RunError(`${this.#name} failed on ${this.#device.kind}: ${cause.message}`, { cause });
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    const loaded = this.#loaded;
    this.#loaded = undefined;
    if (loaded && !loaded.client.lost)
      await loaded.client.request({ type: 'release', session: loaded.number });
  }
}

/** A tensor as it is sent: in 16 bits for each element where it is held in those. */
function wireTensor(tensor: AnyTensor): WireTensor | WireHalfTensor {
  const { dtype, dims } = tensor;
  if (tensor instanceof HalfTensor && tensor.halves)
    return { format: tensor.format, dims, halves: tensor.halves };
  return { dtype, dims, data: tensor.data };
}

/** A tensor that lies in the device's process, sent anew if that was replaced. */
class NodeHeldTensor implements HeldTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly #number: number;
  #tensor: AnyTensor | undefined;
  #sent: { readonly client: InferenceClient; readonly done: Promise<unknown> } | undefined;

  constructor(number: number, tensor: AnyTensor) {
    this.dtype = tensor.dtype;
    this.dims = tensor.dims;
    this.#number = number;
    this.#tensor = tensor;
  }

  /** Sends it to a process that has it not yet, and gives its number there. */
  async sendTo(client: InferenceClient): Promise<number> {
    if (!this.#tensor) throw new RunError('A held tensor was released. Hold it again to feed it.');
    if (this.#sent?.client !== client)
      this.#sent = {
        client,
        done: client.request({ type: 'hold', held: this.#number, tensor: wireTensor(this.#tensor) }),
      };
    await this.#sent.done;
    return this.#number;
  }

  async release(): Promise<void> {
    const { client } = this.#sent ?? {};
    this.#tensor = undefined;
    this.#sent = undefined;
    if (client && !client.lost) await client.request({ type: 'drop', held: this.#number });
  }
}

class NodeDevice implements Device {
  readonly kind: NodeDeviceKind;
  readonly ops = cpuOps;
  // What onnxruntime-node leaves on a graphics card cannot be read back: the process would end.
  readonly openWorkspace = () => hostWorkspace;
  readonly notes: string[] = [];
  dialect: Dialect;
  nextSession = 0;
  #nextHeld = 0;
  readonly #files = new TemporaryFiles();
  #client: InferenceClient | undefined = new InferenceClient();

  constructor(kind: NodeDeviceKind) {
    this.kind = kind;
    // With WebGPU a driver must first show what it can do.
    this.dialect = {
      attention: kind === 'webgpu' ? 'decomposed' : 'fused',
      groupNorm: kind === 'cpu' ? 'layer' : 'instance',
      fillsConvs: kind === 'webgpu',
      blocksConvs: kind === 'cpu',
      branches: kind === 'cpu',
      lateCasts: kind === 'webgpu' ? [] : ['float16', 'bfloat16'],
    };
  }

  /** The process to talk to: a new one if the last one crashed. */
  client(): InferenceClient {
    if (!this.#client) throw new DeviceLostError('The device was disposed. Create a new one to go on.');
    if (this.#client.lost) this.#client = new InferenceClient();
    return this.#client;
  }

  /** The inference process's number, for measuring its memory. */
  get pid(): number | undefined {
    return this.#client?.pid;
  }

  async createSession(model: Model, { signal }: Cancellable = {}): Promise<Session> {
    signal?.throwIfAborted();
    const session = new NodeSession(this, model.graph.name, await wireModel(model, this.kind, this.#files));
    const loading = session.load();
    try {
      await untilAborted(loading, signal);
    } catch (error) {
      // Nobody is given it. What is still being loaded leaves when it is there.
      void loading.then(() => session.dispose()).catch(() => {});
      throw error;
    }
    return session;
  }

  async hold(tensor: AnyTensor): Promise<HeldTensor> {
    const held = new NodeHeldTensor(this.#nextHeld++, tensor);
    await held.sendTo(this.client());
    return held;
  }

  async dispose(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
    await this.#files.remove();
  }
}

/** The devices that there are in Node. */
const nodeDeviceKinds = ['cpu', 'cuda', 'webgpu'] as const satisfies readonly DeviceKind[];
type NodeDeviceKind = (typeof nodeDeviceKinds)[number];

/** What a device needs, for the message when it is not there. */
const requirements: { readonly [K in NodeDeviceKind]: string } = {
  cpu: 'The package onnxruntime-node has no binary for this system.',
  cuda: 'It needs Linux on x86-64, an NVIDIA driver, CUDA 12 with cuDNN 9, and onnxruntime-node installed with ONNXRUNTIME_NODE_INSTALL=cuda12.',
  webgpu: 'It needs a GPU with a Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows) driver.',
};

/** Size of the square matrices whose product tells whether a device works, and how fast it is. */
const probeSize = 1024;

/** Seconds that a matrix product takes. @throws {DeviceUnavailableError} */
async function probe(device: NodeDevice): Promise<number> {
  const g = new GraphBuilder('probe');
  const dims = [probeSize, probeSize];
  g.output('product', g.op('MatMul', [g.input('a', 'float32', dims), g.input('b', 'float32', dims)]));
  const ones = tensor(new Float32Array(probeSize ** 2).fill(1), dims);
  try {
    const session = await device.createSession(g.build());
    await session.run({ a: ones, b: ones });
    const start = performance.now();
    const { product } = await session.run({ a: ones, b: ones });
    const seconds = (performance.now() - start) / 1000;
    await session.dispose();
    if (product?.data.some((value) => value !== probeSize))
      throw new RunError('A matrix product came out wrong.');
    return seconds;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DeviceUnavailableError(
      device.kind,
      `The device "${device.kind}" is not available. ${requirements[device.kind]} (${reason})`,
      { cause },
    );
  }
}

/** Whether the device can cast float16 in a run, which not every graphics card can. */
async function castsFloat16(device: NodeDevice): Promise<boolean> {
  const g = new GraphBuilder('cast');
  const x = g.input('x', 'float32', ['n']);
  // The size of an input, which is not known before, keeps the cast from being made at load.
  const zero = g.op('Mul', [g.op('Shape', [x]), g.ints(0)]);
  const halves = g.constant(tensor(Uint16Array.of(0x3c00, 0x4000), [2]));
  const late = g.op('Reshape', [halves, g.op('Add', [zero, g.ints(2)])]);
  g.output('y', g.op('Cast', [late], { to: dataTypeNumbers.float32 }));
  try {
    const session = await device.createSession(g.build());
    const { y } = await session.run({ x: tensor([0], [1]) });
    await session.dispose();
    return y?.data[0] === 1 && y.data[1] === 2;
  } catch (error) {
    if (DeviceLostError.is(error)) throw error;
    return false;
  }
}

/** Seconds for the product that a GPU stays far below. A slower device is software: attention is not what slows it. */
const softwareSeconds = 0.25;

async function open(kind: NodeDeviceKind): Promise<{ device: NodeDevice; seconds: number }> {
  const device = new NodeDevice(kind);
  try {
    const seconds = await probe(device);
    if (kind === 'webgpu' && seconds < softwareSeconds) {
      const { attention, note } = await testAttention(device);
      const lateCasts = (await castsFloat16(device)) ? (['float16'] as const) : [];
      device.dialect = { ...device.dialect, attention, lateCasts };
      device.notes.push(note);
    }
    return { device, seconds };
  } catch (error) {
    await device.dispose();
    throw error;
  }
}

/** CUDA if it works, else the faster one of WebGPU and the CPU. */
async function openBest(): Promise<NodeDevice> {
  const notes: string[] = [];
  const attempt = (kind: NodeDeviceKind) =>
    open(kind).catch((error: unknown) => {
      if (!DeviceUnavailableError.is(error)) throw error;
      notes.push(error.message);
      return undefined;
    });
  const cuda = await attempt('cuda');
  if (cuda) return cuda.device;
  const [cpu, webgpu] = [await open('cpu'), await attempt('webgpu')];
  const [winner, loser] = webgpu && webgpu.seconds < cpu.seconds ? [webgpu, cpu] : [cpu, webgpu];
  if (loser) {
    notes.push(
      `The device "${loser.device.kind}" is slower: it took ${loser.seconds.toFixed(3)} s for a product of matrices, "${winner.device.kind}" ${winner.seconds.toFixed(3)} s.`,
    );
    await loser.device.dispose();
  }
  winner.device.notes.unshift(...notes);
  return winner.device;
}

/**
 * A device of this machine. Graphs run in a process of their own: the caller's event loop stays free, a crash of a
 * driver is an error, and `dispose` gives all memory back.
 * @param kind `auto` is CUDA if it works, else WebGPU if it works and beats the CPU (a software driver does not), else
 * the CPU; the device's `notes` say what was passed over and why
 * @throws {DeviceUnavailableError} if it is not there, with what it needs
 */
export async function createDevice(kind: DeviceKind | 'auto' = 'auto'): Promise<Device> {
  if (kind === 'auto') return openBest();
  const known = nodeDeviceKinds.find((candidate) => candidate === kind);
  if (!known) {
    throw new InvalidArgumentError(
      `device: "${kind}" is none of Node's. Take one of auto, ${nodeDeviceKinds.join(', ')}.`,
    );
  }
  return (await open(known)).device;
}
