// A graph that adapters enter: loaded once, and anew only if they want slots that it lacks.
import type { Model } from '@emulsion/onnx';
import type { Cancellable, Device, Feed } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import { AdapterFeeds, type NetworkAdapter, type SlottedSession } from './adapter-feeds.ts';
import { assertSlots, missingSlot, unitedSlots, type WantedSlots, wantedSlots } from './wanted-slots.ts';

/** The session of a network with one graph, and its adapters. */
export class AdaptableSession {
  readonly #device: Device;
  readonly #write: (slots: WantedSlots) => Model;
  readonly #feeds: AdapterFeeds;
  #slots: WantedSlots = new Map();
  #loaded: SlottedSession;

  private constructor(device: Device, write: (slots: WantedSlots) => Model, loaded: SlottedSession) {
    this.#device = device;
    this.#write = write;
    this.#feeds = new AdapterFeeds(device);
    this.#loaded = loaded;
  }

  /** @param write gives the graph with these slots at least */
  static async load(
    device: Device,
    write: (slots: WantedSlots) => Model,
    options: Cancellable,
  ): Promise<AdaptableSession> {
    const model = write(new Map());
    const session = await device.createSession(model, options);
    return new AdaptableSession(device, write, { session, inputs: model.graph.inputs });
  }

  /** See `AdaptableNetwork.adapt`. */
  async adapt(adapters: readonly NetworkAdapter[], options: Cancellable = {}): Promise<void> {
    const slots = unitedSlots(this.#slots, wantedSlots(adapters));
    if (missingSlot(this.#loaded.inputs, slots) !== undefined) await this.#reload(slots, options);
    await this.#feeds.adapt(adapters, this.#loaded.inputs);
  }

  /** Loads the graph as it is written now, without adapters: its weights were replaced. */
  async reload(options: Cancellable = {}): Promise<void> {
    await this.#reload(this.#slots, options);
    await this.#feeds.adapt([], this.#loaded.inputs);
  }

  async #reload(slots: WantedSlots, options: Cancellable): Promise<void> {
    const model = this.#write(slots);
    assertSlots(model, slots);
    const session = await this.#device.createSession(model, options);
    const former = this.#loaded;
    this.#loaded = { session, inputs: model.graph.inputs };
    this.#slots = slots;
    await former.session.dispose();
  }

  /** Runs the graph with the adapters as strong as they are at `progress`, 0 unless given; see `NetworkAdapter`. */
  run(
    feeds: Readonly<Record<string, Feed>>,
    { progress = 0, ...options }: Cancellable & { readonly progress?: number } = {},
  ): Promise<Record<string, Tensor>> {
    return this.#feeds.run(this.#loaded, feeds, { ...options, progress });
  }

  async dispose(): Promise<void> {
    await this.#feeds.dispose();
    await this.#loaded.session.dispose();
  }
}
