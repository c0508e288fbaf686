// What the slots of a graph are fed: the weights of adapters, sent once, and their strengths.
import type { Value } from '@emulsion/onnx';
import type { Cancellable, Device, Feed, HeldTensor, Session } from '@emulsion/runtime';
import { HalfTensor, reshape, ShapeError, sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import type { SlotKind } from './adapter-slots.ts';
import { type ContextChange, contextStrengths } from './context-changes.ts';
import { type SlotInput, slotOf } from './wanted-slots.ts';

/** What an adapter adds to one module at strength 1. */
export interface ModuleAdapter {
  /** To the weight `up · down`: `[rank, in]` and `[out, rank]`, of a convolution with its kernel and `1, 1` behind. */
  readonly lowRank?: { readonly down: Tensor; readonly up: Tensor } | undefined;
  /** To the weight, of its dims. */
  readonly delta?: Tensor | undefined;
  /** To the bias, `[out]`. */
  readonly bias?: Tensor | undefined;
}

/** An adapter on one network. */
export interface NetworkAdapter {
  /** By the paths of the modules. */
  readonly modules: ReadonlyMap<string, ModuleAdapter>;
  /** What it adds to what attention layers read; of U-Nets only. */
  readonly contexts?: ContextChange | undefined;
  /**
   * How much of it is added to a module, or by the name `contexts` to contexts; 0 is nothing at all.
   * @param progress the share of a painting's steps that is done
   */
  strength(module: string, progress: number): number;
}

/** Ranks are filled up with zeros to a multiple of this, which kernels are quicker with, and some only right. */
const rankMultiple = 4;

const rankOf = ({ lowRank }: ModuleAdapter) => lowRank?.down.dims[0] ?? 0;

/** The part of a module's change that an input holds. */
const partOf = (
  { lowRank, delta, bias }: ModuleAdapter,
  { kind, content }: SlotInput,
): Tensor | undefined => {
  if (kind === 'lowRank') return content === 'down' ? lowRank?.down : lowRank?.up;
  return kind === 'delta' ? delta : bias;
};

/** A held tensor, and the parts of adapters that it was made of. */
interface Held {
  readonly parts: readonly Tensor[];
  readonly tensor: Promise<HeldTensor>;
}

/** A graph with slots, loaded. */
export interface SlottedSession {
  readonly session: Session;
  /** Of the graph. */
  readonly inputs: readonly Value[];
  /** The changes of contexts that are written in it, in their order; none unless given. */
  readonly contexts?: readonly ContextChange[];
}

/** The adapters of one network: their weights on the device, where they stay, and what runs are fed of them. */
export class AdapterFeeds {
  readonly #device: Pick<Device, 'hold'>;
  #adapters: readonly NetworkAdapter[] = [];
  /** By the names of inputs. */
  readonly #held = new Map<string, Held>();
  /** What slots without an adapter are fed, by dims. */
  readonly #nothing = new Map<string, Promise<HeldTensor>>();
  /** What was replaced while runs may still be fed it. */
  #stale: Promise<HeldTensor>[] = [];
  #running = 0;
  #disposed = false;

  constructor(device: Pick<Device, 'hold'>) {
    this.#device = device;
  }

  /** The adapters that runs are fed. */
  get adapters(): readonly NetworkAdapter[] {
    return this.#adapters;
  }

  /**
   * Feeds these adapters from now on. Their weights are sent for the slots among `inputs`.
   * @throws {ShapeError} if one does not fit a module; then the former ones stay
   */
  async adapt(adapters: readonly NetworkAdapter[], inputs: readonly Value[]): Promise<void> {
    await this.#weights(adapters, inputs);
    this.#adapters = adapters;
    await this.#releaseStale();
  }

  /** Runs a graph; `feeds` are those of its inputs that are no slots. */
  async run(
    { session, inputs, contexts = [] }: SlottedSession,
    feeds: Readonly<Record<string, Feed>>,
    { progress, ...options }: Cancellable & { readonly progress: number },
  ): Promise<Record<string, Tensor>> {
    // Its session says that it is gone; nothing is held for it any more.
    if (this.#disposed) return session.run(feeds, options);
    this.#running += 1;
    // Others may come while weights are on their way.
    const adapters = this.#adapters;
    try {
      const weights = await this.#weights(adapters, inputs);
      return await session.run(
        { ...feeds, ...weights, ...scalesOf(adapters, inputs, contexts, progress) },
        options,
      );
    } finally {
      this.#running -= 1;
      await this.#releaseStale();
    }
  }

  async #weights(
    adapters: readonly NetworkAdapter[],
    inputs: readonly Value[],
  ): Promise<Record<string, HeldTensor>> {
    const weights = inputs.map(async (input) => {
      const slot = slotOf(input);
      if (!slot || slot.content === 'scale') return [];
      return [[input.name, await this.#hold(input, slot, partsOf(adapters, slot))] as const];
    });
    return Object.fromEntries((await Promise.all(weights)).flat());
  }

  #hold(input: Value, slot: SlotInput, parts: readonly Tensor[]): Promise<HeldTensor> {
    const known = this.#held.get(input.name);
    if (known && isSame(known.parts, parts)) return known.tensor;
    const key = String(input.type?.shape);
    const nothing = parts.length === 0 ? this.#nothing.get(key) : undefined;
    const tensor = nothing ?? this.#device.hold(join(input, slot, parts));
    if (known) this.#stale.push(known.tensor);
    if (parts.length === 0) {
      this.#nothing.set(key, tensor);
      this.#held.delete(input.name);
    } else {
      this.#held.set(input.name, { parts, tensor });
    }
    // What could not be sent is tried again with the next run.
    tensor.catch(() => {
      if (this.#held.get(input.name)?.tensor === tensor) this.#held.delete(input.name);
      if (this.#nothing.get(key) === tensor) this.#nothing.delete(key);
    });
    return tensor;
  }

  async #releaseStale(): Promise<void> {
    if (this.#running > 0) return;
    const stale = this.#stale;
    this.#stale = [];
    await releaseAll(stale);
  }

  /** Frees the weights on the device. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    const held = [...[...this.#held.values()].map(({ tensor }) => tensor), ...this.#nothing.values()];
    this.#held.clear();
    this.#nothing.clear();
    await releaseAll(held);
    await this.#releaseStale();
  }
}

async function releaseAll(tensors: readonly Promise<HeldTensor>[]): Promise<void> {
  for (const tensor of tensors) await (await tensor.catch(() => undefined))?.release();
}

/** The strengths of all slots and contexts. */
function scalesOf(
  adapters: readonly NetworkAdapter[],
  inputs: readonly Value[],
  contexts: readonly ContextChange[],
  progress: number,
): Record<string, Tensor> {
  const scales: Record<string, Tensor> = {};
  if (contexts.length > 0) {
    const strengths = contexts.map((change) => {
      const adapter = adapters.find((candidate) => candidate.contexts === change);
      return adapter?.strength('contexts', progress) ?? 0;
    });
    scales[contextStrengths] = tensor(strengths, [contexts.length]);
  }
  for (const input of inputs) {
    const slot = slotOf(input);
    if (slot?.content === 'scale') scales[input.name] = scaleOf(adapters, slot, progress);
  }
  return scales;
}

/** The strengths of a slot, one for each rank or each adapter. */
function scaleOf(adapters: readonly NetworkAdapter[], { module, kind }: SlotInput, progress: number): Tensor {
  const scales = adapters.flatMap((adapter) => {
    const change = adapter.modules.get(module);
    if (!change) return [];
    const strength = adapter.strength(module, progress);
    if (kind === 'lowRank') return Array.from({ length: rankOf(change) }, () => strength);
    return (kind === 'delta' ? change.delta : change.bias) ? [strength] : [];
  });
  const length = rowsFor(kind, scales.length);
  const filled = new Float32Array(length);
  filled.set(scales);
  return tensor(filled, kind === 'lowRank' ? [length] : [1, length]);
}

/** Ranks, or adapters, with what they are filled up by. */
const rowsFor = (kind: SlotKind, count: number) =>
  kind === 'lowRank' ? Math.max(Math.ceil(count / rankMultiple), 1) * rankMultiple : Math.max(count, 1);

const partsOf = (adapters: readonly NetworkAdapter[], slot: SlotInput): Tensor[] =>
  adapters.flatMap(({ modules }) => {
    const change = modules.get(slot.module);
    const part = change && partOf(change, slot);
    return part ? [part] : [];
  });

const isSame = (some: readonly Tensor[], others: readonly Tensor[]) =>
  some.length === others.length && some.every((part, i) => part === others[i]);

/** The parts of all adapters as one tensor; without any, zeros that change nothing. */
function join(input: Value, slot: SlotInput, parts: readonly Tensor[]): Tensor {
  const shape = input.type!.shape!; // slots are written with their shapes
  const free = slot.content === 'up' ? 1 : 0;
  const fixed = shape.filter((dim): dim is number => typeof dim === 'number');
  const width = sizeOf(fixed);
  const counts = parts.map(({ dims }) => {
    const count = slot.kind === 'lowRank' ? dims[free]! : 1;
    if (count * width === sizeOf(dims)) return count;
    throw new ShapeError(
      `${slot.module}: an adapter changes it by [${dims.join(', ')}], and it takes [${shape.map((dim) => dim ?? 'any').join(', ')}]. The adapter is for another model.`,
    );
  });
  const rows = rowsFor(
    slot.kind,
    counts.reduce((sum, count) => sum + count, 0),
  );
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : rows));
  if (parts.length === 1 && counts[0] === rows) return reshape(parts[0]!, dims);
  return filled(parts, counts, free, dims);
}

/** Tensors beside each other along an axis, with zeros behind them; what all have in the same 16 bits stays in those. */
function filled(
  parts: readonly Tensor[],
  counts: readonly number[],
  axis: number,
  dims: readonly number[],
): Tensor {
  const [outer, inner] = [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis + 1))];
  const write = <Elements extends Float32Array | Uint16Array>(
    out: Elements,
    sources: readonly Elements[],
  ) => {
    let start = 0;
    for (const [i, source] of sources.entries()) {
      const length = counts[i]! * inner;
      for (let row = 0; row < outer; row++)
        out.set(source.subarray(row * length, (row + 1) * length), row * dims[axis]! * inner + start);
      start += length;
    }
    return out;
  };
  const [first] = parts;
  const halves = parts.flatMap((part) =>
    part instanceof HalfTensor && first instanceof HalfTensor && part.format === first.format
      ? (part.halves ?? [])
      : [],
  );
  if (first instanceof HalfTensor && halves.length === parts.length)
    return new HalfTensor(write(new Uint16Array(sizeOf(dims)), halves), dims, first.format);
  return tensor(
    write(
      new Float32Array(sizeOf(dims)),
      parts.map(({ data }) => data),
    ),
    dims,
  );
}
