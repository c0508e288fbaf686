// What it means to run graphs: a device makes sessions, a session runs one graph.
import type { Model } from '@emulsion/onnx';
import type { AnyTensor, DType, Tensor, TensorOps } from '@emulsion/tensor';
import type { Workspace } from './workspace.ts';

/** What graphs run on: in Node the processor, CUDA or WebGPU, in a browser WebGPU or WebAssembly. */
export const deviceKinds = ['cpu', 'cuda', 'webgpu', 'wasm'] as const;
export type DeviceKind = (typeof deviceKinds)[number];

/** How graphs are written for a device: the forms of a layer that its kernels are right and fast for. */
export interface Dialect {
  /** `fused` is onnxruntime's MultiHeadAttention, `decomposed` MatMul, Softmax, MatMul. */
  readonly attention: 'fused' | 'decomposed';
  /**
   * What normalizes groups: `layer` is LayerNormalization with one scale for all elements, which is quicker, and which
   * only the processor's kernel takes; `instance` is InstanceNormalization.
   */
  readonly groupNorm: 'layer' | 'instance';
  /**
   * Whether zeros fill up what a convolution lacks for WebGPU's kernels: the 6, 9, 15, … channels that it reads to a
   * multiple of four, since the kernel for multiples of three, above 3 itself, is wrong; and a bias, without which some
   * sizes fail.
   */
  readonly fillsConvs: boolean;
  /** Whether constant weights of convolutions are copied into blocks (onnxruntime's NCHWc) when a graph is loaded. */
  readonly blocksConvs: boolean;
  /** Whether a part of a graph that is left out in a run costs next to nothing: `If` makes a graphics card wait. */
  readonly branches: boolean;
  /** Half-precision types that can be cast to float32 in a run; others only once, when a graph is loaded. */
  readonly lateCasts: readonly ('float16' | 'bfloat16')[];
}

/** A stop signal for one call. What is under way on the device runs to its end, but nobody waits for it. */
export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** A tensor that lies where runs read it, and is fed to any number of them without being sent again. */
export interface HeldTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Frees it on the device. A released tensor cannot be fed. */
  release(): Promise<void>;
}

/** What an input of a graph is fed. */
export type Feed = AnyTensor | HeldTensor;

/** What one run is asked for. */
export interface RunOptions extends Cancellable {
  /** Where the outputs are put: in memory of the session's device; on the host unless given. */
  readonly workspace?: Workspace | undefined;
}

/** A graph, ready to run. */
export interface Session {
  /**
   * Runs the graph. Every input of the graph is fed, every output comes back. Held tensors are those of the session's device.
   * @throws {RunError} if the device refuses or fails, {DeviceLostError} if it went away,
   * the signal's reason if it was aborted
   */
  run(feeds: Readonly<Record<string, Feed>>, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Frees what the session holds on the device. A disposed session does not run again. */
  dispose(): Promise<void>;
}

/** Something that runs graphs. */
export interface Device {
  readonly kind: DeviceKind;
  readonly dialect: Dialect;
  /** What the device is and why it was chosen, in sentences. */
  readonly notes: readonly string[];
  /** Arithmetic between runs, on the host. */
  readonly ops: TensorOps;
  /** Opens memory for a piece of work whose tensors stay, from run to run, where the device has them. */
  openWorkspace(): Workspace;
  /**
   * Loads a graph with its weights.
   * @throws {SessionError} if the device cannot load it
   */
  createSession(model: Model, options?: Cancellable): Promise<Session>;
  /** Sends a tensor once, to be fed again and again. Its elements must not change from now on. */
  hold(tensor: AnyTensor): Promise<HeldTensor>;
  /** Frees the device with all of its sessions. */
  dispose(): Promise<void>;
}
