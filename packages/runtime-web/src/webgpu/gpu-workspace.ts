// A workspace on a graphics card: latents stay there between the runs of the network.
import type { Workspace } from '@emulsion/runtime';
import { sizeOf, type Tensor, type TensorOps, tensor } from '@emulsion/tensor';
import { bufferOf, type Card, GpuMemory } from './gpu-memory.ts';
import { gpuOps } from './gpu-ops.ts';
import { GpuTensor } from './gpu-tensor.ts';
import { KernelRunner } from './kernel.ts';
import { countNonFiniteKernel } from './sample-kernels.ts';

/** The workspace of one piece of work on a card. */
export class GpuWorkspace implements Workspace {
  readonly ops: TensorOps;
  readonly memory: GpuMemory;
  readonly #kernels: KernelRunner;
  readonly #whenIdle: (work: () => void) => void;

  /** @param whenIdle does something when no run is under way that may use the workspace's tensors */
  constructor(memory: GpuMemory, kernels: KernelRunner, whenIdle: (work: () => void) => void) {
    this.memory = memory;
    this.#kernels = kernels;
    this.#whenIdle = whenIdle;
    this.ops = gpuOps(memory, kernels);
  }

  async read(x: Tensor): Promise<Tensor> {
    if (!(x instanceof GpuTensor)) return x;
    const [elements] = await this.memory.read([x]);
    return tensor(elements!, x.dims);
  }

  async countNonFinite(x: Tensor): Promise<number> {
    const batch = x.dims[0] ?? 1;
    const counts = this.memory.allocate([batch]);
    this.memory.withBuffers([x], (inputs) =>
      this.#kernels.run(countNonFiniteKernel, {
        parameters: { length: sizeOf(x.dims) / batch },
        inputs,
        output: bufferOf(counts),
        groups: batch,
      }),
    );
    const [read] = await this.memory.read([counts]);
    this.memory.release(counts);
    return read!.reduce((sum, count) => sum + count, 0);
  }

  release(...tensors: readonly Tensor[]): void {
    for (const x of tensors) this.memory.release(x);
  }

  dispose(): void {
    this.memory.end();
    this.#whenIdle(() => this.memory.destroy());
  }
}

/**
 * What opens the workspaces of a card, whose kernels are compiled once for all of them.
 * @param whenIdle as of `GpuWorkspace`
 */
export function workspaceOpener(card: Card, whenIdle: (work: () => void) => void): () => GpuWorkspace {
  const kernels = new KernelRunner(card.device);
  return () => new GpuWorkspace(new GpuMemory(card), kernels, whenIdle);
}
