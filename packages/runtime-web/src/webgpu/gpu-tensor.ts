// A tensor in the memory of a graphics card.
import { RunError } from '@emulsion/runtime';
import { sizeOf, type Tensor } from '@emulsion/tensor';

/** Buffers of onnxruntime are multiples of 16 bytes. */
const granularity = 16;

/** Bytes of the buffer of a float32 tensor. */
export const bytesOf = (dims: readonly number[]): number =>
  Math.max(Math.ceil((sizeOf(dims) * 4) / granularity), 1) * granularity;

/** What buffers may be used for: the bits of WebGPU's `GPUBufferUsage`. */
const usage = { mapRead: 0x01, copyFrom: 0x04, copyTo: 0x08, uniform: 0x40, storage: 0x80 } as const;

/** Kinds of buffers by their uses: tensors are fed to graphs, computed with and read. */
export const bufferUsage = {
  tensor: usage.storage | usage.copyFrom | usage.copyTo,
  staging: usage.mapRead | usage.copyTo,
  uniforms: usage.uniform | usage.copyTo,
} as const;

/** A tensor of a workspace. Its elements are not at hand: `Workspace.read` fetches them. */
export class GpuTensor implements Tensor {
  readonly dtype = 'float32';
  readonly dims: readonly number[];
  /** Where the elements are: on the card, or on the host if the card had to make room; nowhere once it was given up. */
  #place: GPUBuffer | Float32Array | undefined;

  constructor(dims: readonly number[], place: GPUBuffer) {
    this.dims = dims;
    this.#place = place;
  }

  get data(): never {
    throw new RunError(
      `The tensor [${this.dims.join(', ')}] lies on the graphics card and has no data at hand. Read it with the workspace that it belongs to.`,
    );
  }

  /** @throws {RunError} if it was given up */
  get place(): GPUBuffer | Float32Array {
    if (this.#place) return this.#place;
    throw new RunError(
      `The tensor [${this.dims.join(', ')}] was given up, or its workspace has ended. Read what is needed before that.`,
    );
  }

  /** Takes the elements to the host, or gives them up; who does this has the buffer back. */
  moveTo(place: Float32Array | undefined): void {
    this.#place = place;
  }
}
