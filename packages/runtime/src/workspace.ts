// Where the tensors between runs lie, and what computes with them there: a painting's latents need not leave the device.
import { cpuOps, type Tensor, type TensorOps } from '@emulsion/tensor';

/** The memory of one piece of work, such as a painting: its tensors live until it ends. */
export interface Workspace {
  /**
   * Arithmetic whose results lie in the workspace. It takes tensors of the workspace and of the host. Tensors that lie on
   * a device have no `data`; who asks for it is told to `read` them.
   */
  readonly ops: TensorOps;
  /** A tensor with its elements on the host. Those of the host come back as they are. */
  read(x: Tensor): Promise<Tensor>;
  /** How many elements are no finite numbers. Waits until the device has computed them, and brings nothing else back. */
  countNonFinite(x: Tensor): Promise<number>;
  /** Gives up the memory of tensors that nobody needs any more; all others are given up at the end. */
  release(...tensors: readonly Tensor[]): void;
  /** Ends the work. Its tensors cannot be used any more, but for those of the host. */
  dispose(): void;
}

function countNonFinite({ data }: Tensor): number {
  let count = 0;
  for (const value of data) if (!Number.isFinite(value)) count++;
  return count;
}

/** The workspace of devices whose runs give their outputs to the host: tensors that JavaScript frees. */
export const hostWorkspace: Workspace = {
  ops: cpuOps,
  read: async (x) => x,
  countNonFinite: async (x) => countNonFinite(x),
  release() {},
  dispose() {},
};
