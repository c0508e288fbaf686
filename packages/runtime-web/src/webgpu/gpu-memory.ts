// The memory of a workspace on a graphics card: buffers that are used again, and what there is no room for goes to the host.
import { RunError } from '@emulsion/runtime';
import { sizeOf, type Tensor } from '@emulsion/tensor';
import { bufferUsage, bytesOf, GpuTensor } from './gpu-tensor.ts';

/**
 * Bytes that the tensors of a workspace may take on the card. Samplers say of few tensors that nobody needs them any
 * more; the oldest go to the host when there are more than these.
 */
const usualBudget = 256 * 2 ** 20;

/** WebGPU's `GPUMapMode.READ`. */
const mapRead = 1;

/** What a workspace needs to know of its card. */
export interface Card {
  readonly device: GPUDevice;
  /** Waits for work on the card. @throws {DeviceLostError} if the card goes away */
  whileThere<T>(work: Promise<T>): Promise<T>;
}

/** Where the tensors of one workspace lie. */
export class GpuMemory {
  readonly #card: Card;
  readonly #budget: number;
  /** Tensors on the card, the oldest first. */
  readonly #tensors = new Set<GpuTensor>();
  /** Those that came since room was made: what the last run gave, the next one is likely to take. */
  readonly #recent = new Set<GpuTensor>();
  /** Buffers that nobody uses, by their size. */
  readonly #free = new Map<number, GPUBuffer[]>();
  /** Of what was asked of the card and may have failed. */
  #checks: Promise<void>[] = [];
  #failure: RunError | undefined;
  #bytes = 0;
  #isOver = false;

  constructor(card: Card, budget: number = usualBudget) {
    this.#card = card;
    this.#budget = budget;
  }

  /** Bytes of the tensors on the card. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A tensor of anything. @throws {RunError} if the workspace has ended */
  allocate(dims: readonly number[]): GpuTensor {
    if (this.#isOver)
      throw new RunError('The workspace has ended. Open a new one to compute on the graphics card.');
    const size = bytesOf(dims);
    const buffer =
      this.#free.get(size)?.pop() ??
      this.checked(() => this.#card.device.createBuffer({ size, usage: bufferUsage.tensor }));
    const tensor = new GpuTensor(dims, buffer);
    this.#tensors.add(tensor);
    this.#recent.add(tensor);
    this.#bytes += size;
    return tensor;
  }

  /** A copy on the card of what lies on the host. */
  upload({ dims, data }: Pick<Tensor, 'dims' | 'data'>): GpuTensor {
    const tensor = this.allocate(dims);
    // The types know of memory that is shared with other threads, in which no tensor lies.
    this.#card.device.queue.writeBuffer(bufferOf(tensor), 0, data as Float32Array<ArrayBuffer>);
    return tensor;
  }

  /** A tensor with the elements of a buffer that is somebody else's. */
  copy(source: GPUBuffer, dims: readonly number[]): GpuTensor {
    const tensor = this.allocate(dims);
    this.checked(() => {
      const encoder = this.#card.device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, bufferOf(tensor), 0, 4 * sizeOf(dims));
      this.#card.device.queue.submit([encoder.finish()]);
    });
    return tensor;
  }

  /** Does something with the buffers of tensors; those of the host have one for the time being. */
  withBuffers(tensors: readonly Tensor[], use: (buffers: GPUBuffer[]) => void): void {
    const sent: GpuTensor[] = [];
    const buffers = tensors.map((x) => {
      if (x instanceof GpuTensor && x.place instanceof GPUBuffer) return x.place;
      const copy = this.upload({ dims: x.dims, data: hostData(x) });
      sent.push(copy);
      return bufferOf(copy);
    });
    this.checked(() => use(buffers));
    // What is done on the card is done in its order, so that the buffers may be written again.
    for (const copy of sent) this.release(copy);
  }

  /** Gives up a tensor, if it is one of a workspace. */
  release(x: Tensor): void {
    if (!(x instanceof GpuTensor) || !this.#tensors.delete(x)) return;
    this.#recent.delete(x);
    const buffer = bufferOf(x);
    x.moveTo(undefined);
    this.#bytes -= buffer.size;
    const others = this.#free.get(buffer.size);
    if (others) others.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
  }

  /** The elements of tensors, wherever they lie. */
  async read(tensors: readonly Tensor[]): Promise<Float32Array[]> {
    const places = tensors.map((x) => (x instanceof GpuTensor ? x.place : x.data));
    const buffers = places.filter((place) => place instanceof GPUBuffer);
    const fetched = await this.#card.whileThere(this.#fetch(buffers));
    return places.map((place, i) =>
      place instanceof GPUBuffer ? fetched.get(place)!.slice(0, sizeOf(tensors[i]!.dims)) : place,
    );
  }

  /** What lies in buffers, when all that was asked of the card before is done. */
  async #fetch(buffers: readonly GPUBuffer[]): Promise<Map<GPUBuffer, Float32Array>> {
    const fetched = new Map<GPUBuffer, Float32Array>();
    if (buffers.length === 0) return fetched;
    const { device } = this.#card;
    const size = buffers.reduce((sum, buffer) => sum + buffer.size, 0);
    const staging = this.checked(() => device.createBuffer({ size, usage: bufferUsage.staging }));
    const encoder = device.createCommandEncoder();
    let offset = 0;
    for (const buffer of buffers) {
      encoder.copyBufferToBuffer(buffer, 0, staging, offset, buffer.size);
      offset += buffer.size;
    }
    this.checked(() => device.queue.submit([encoder.finish()]));
    try {
      await staging.mapAsync(mapRead);
    } catch (cause) {
      await this.#assertDone();
      // Nothing else fails what was asked for rightly; who waits is told of the loss.
      await device.lost;
      throw cause;
    }
    await this.#assertDone();
    offset = 0;
    for (const buffer of buffers) {
      fetched.set(buffer, new Float32Array(staging.getMappedRange(offset, buffer.size).slice(0)));
      offset += buffer.size;
    }
    staging.destroy();
    return fetched;
  }

  /** Takes the oldest tensors to the host until the others are within the budget; called before each run. */
  async makeRoom(): Promise<void> {
    const leaving: GpuTensor[] = [];
    let left = this.#bytes;
    for (const tensor of this.#tensors) {
      if (left <= this.#budget || this.#recent.has(tensor)) break;
      leaving.push(tensor);
      left -= bufferOf(tensor).size;
    }
    this.#recent.clear();
    if (leaving.length === 0) return;
    const elements = await this.read(leaving);
    for (const [i, tensor] of leaving.entries()) {
      // It may have been given up meanwhile.
      if (!this.#tensors.has(tensor)) continue;
      this.release(tensor);
      tensor.moveTo(elements[i]!);
    }
  }

  /** Does something on the card; whether it could is said with what is read next. */
  checked<T>(work: () => T): T {
    const { device } = this.#card;
    device.pushErrorScope('validation');
    device.pushErrorScope('out-of-memory');
    const result = work();
    for (let scope = 0; scope < 2; scope++) {
      const check = device.popErrorScope().then((error) => {
        if (!error) return;
        this.#failure ??= new RunError(
          error instanceof GPUOutOfMemoryError
            ? 'The graphics card has not enough memory for the tensors between the steps. Paint a smaller picture, or fewer at once.'
            : `The graphics card refused to compute: ${error.message}`,
        );
      });
      // A card that went away has no errors to tell; who waits for it is told that.
      this.#checks.push(check.catch(() => undefined));
    }
    return result;
  }

  /** @throws {RunError} if something that was asked of the card failed */
  async #assertDone(): Promise<void> {
    const checks = this.#checks;
    this.#checks = [];
    await Promise.all(checks);
    if (this.#failure) throw this.#failure;
  }

  /** Nothing is allocated any more, and no tensor can be used. */
  end(): void {
    this.#isOver = true;
    for (const tensor of this.#tensors) this.release(tensor);
  }

  /** Gives the buffers back, after the end. */
  destroy(): void {
    for (const buffers of this.#free.values()) for (const buffer of buffers) buffer.destroy();
    this.#free.clear();
  }
}

/** The buffer of a tensor that lies on the card. */
export const bufferOf = (x: GpuTensor): GPUBuffer => x.place as GPUBuffer;

/** The elements of a tensor that lies on the host. */
const hostData = (x: Tensor): Float32Array => (x instanceof GpuTensor ? (x.place as Float32Array) : x.data);
