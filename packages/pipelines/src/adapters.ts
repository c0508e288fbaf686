// The adapters of a pipeline: added, weighted and removed while the model stays loaded.
import type { AdapterKind, Component, LoraReport, TextualInversion } from '@emulsion/adapters';
import type { Folder } from '@emulsion/checkpoints';
import type { HubOptions } from '@emulsion/hub';
import type { AdaptableNetwork, NetworkAdapter } from '@emulsion/nn';
import type { Cancellable } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import type { PromptEmbeddings } from '@emulsion/text-encoder';
import { AdapterEmbeddings } from './adapters-embeddings.ts';
import type { PictureReadingModel } from './adapters-load-pictures.ts';
import { AdapterPictures, type PictureReader, type PictureReaderKind } from './adapters-pictures.ts';
import {
  type AdapterSettings,
  type AdapterStrength,
  assertSettings,
  strengthIn,
} from './adapters-strength.ts';

/**
 * A file of an adapter: a path, in a browser an address, or a model on a hub with a file's name behind it; or a file that
 * was picked; or a file of a folder. A ControlNet and a T2I-Adapter may be folders too, or whole models on a hub.
 */
export type AdapterSource = string | File | Folder | { readonly folder: Folder; readonly path: string };

export interface AddAdapterOptions
  extends AdapterSettings,
    Cancellable,
    Pick<HubOptions, 'revision' | 'localFilesOnly' | 'token' | 'endpoint' | 'storage'> {
  /**
   * What it is called from now on, and an embedding by prompts; else the token or the name in an embedding's file, or the
   * file's own name without its ending.
   */
  readonly name?: string | undefined;
  /** Of an IP-Adapter: the folder of the encoder of pictures; `image_encoder` beside its file, or the model's, unless given. */
  readonly imageEncoder?: string | Folder | undefined;
}

/** An adapter of a pipeline. */
export interface AdapterInfo extends AdapterSettings {
  readonly name: string;
  readonly kind: AdapterKind | PictureReaderKind;
  readonly strength: AdapterStrength;
  /** What became of the file's tensors. */
  readonly report: LoraReport;
  /** What else is to be said of it, in sentences. */
  readonly notes: readonly string[];
}

/** What was read of an adapter's file, for the networks that it changes. */
export interface LoadedAdapter extends Pick<AdapterInfo, 'name' | 'kind' | 'report' | 'notes'> {
  readonly networks: ReadonlyMap<Component, Pick<NetworkAdapter, 'modules' | 'contexts'>>;
  /** What prompts may name with it. */
  readonly embeddings: readonly TextualInversion[];
  /** What reads pictures, and frees it. */
  readonly pictures?: (PictureReader & { dispose(): Promise<void> }) | undefined;
}

/** The networks of a pipeline that adapters can change. */
export type AdaptableNetworks = ReadonlyMap<Component, AdaptableNetwork>;

interface Entry {
  readonly name: string;
  readonly loaded: LoadedAdapter;
  /** What it changes; no more those whose weights it was folded into. */
  readonly networks: Map<Component, NetworkAdapter>;
  settings: AdapterSettings;
}

/**
 * The adapters of a pipeline. What is asked for is done in turn; where it fails, the pipeline is as it was before. What
 * is being painted meanwhile goes on with what is set at each step, its prompts with what was set when it began.
 */
export class Adapters {
  readonly #networks: AdaptableNetworks;
  readonly #embeddings: AdapterEmbeddings;
  readonly #model: PictureReadingModel | undefined;
  readonly #pictures: AdapterPictures;
  #entries: readonly Entry[] = [];
  #queue: Promise<unknown> = Promise.resolve();

  /** @param model one that reads pictures, if it is one */
  constructor(networks: AdaptableNetworks, embeddings: PromptEmbeddings, model?: PictureReadingModel) {
    this.#networks = networks;
    this.#embeddings = new AdapterEmbeddings(embeddings);
    this.#model = model;
    this.#pictures = new AdapterPictures(model);
  }

  /**
   * Reads an adapter's file, and changes the model by it from now on. The model is not loaded again, except for modules
   * that its graphs are not prepared for: convolutions and normalizations, and on a graphics card the first adapter.
   * @returns the adapter with the report on its file
   * @throws {InvalidArgumentError} if the name is taken or a number is none, `AdapterMismatchError` if it is for another
   * model, and the errors of files that are damaged or not there
   */
  add(source: AdapterSource, options: AddAdapterOptions = {}): Promise<AdapterInfo> {
    return this.#inTurn(async () => {
      const { strength = 1, weights, signal } = options;
      const { loadAdapter } = await import('./adapters-load.ts');
      const loaded = await loadAdapter(source, this.#networks, options, this.#model);
      const { name } = loaded;
      if (this.#entries.some((entry) => entry.name === name)) {
        throw new InvalidArgumentError(
          `adapters: there is a "${name}" already. Give another name, or remove that one first.`,
        );
      }
      const settings = { strength, ...(weights && { weights }) };
      const entry = entryOf(name, loaded, settings);
      try {
        assertSettings(name, settings, entry.networks);
        await this.#change([...this.#entries, entry], { signal });
      } catch (error) {
        await loaded.pictures?.dispose();
        throw error;
      }
      return this.#infoOf(entry);
    });
  }

  /**
   * Sets how strong an adapter is, from the next step on; prompts feel it when they are encoded next.
   * @param settings a strength, a schedule of strengths, or more
   * @throws {InvalidArgumentError} if there is no adapter of that name, or a number is none
   */
  set(name: string, settings: AdapterStrength | AdapterSettings): void {
    const entry = this.#find(name);
    const given = typeof settings === 'object' ? settings : { strength: settings };
    assertSettings(name, given, entry.networks);
    const changed = { ...entry.settings, ...given };
    if (entry.loaded.kind === 'embedding') this.#embeddings.setStrength(name, promptStrength(name, changed));
    entry.settings = changed;
  }

  /** Takes an adapter away. @throws {InvalidArgumentError} if there is none of that name */
  remove(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const entry = this.#find(name);
      await this.#change(this.#entries.filter((other) => other !== entry));
      await entry.loaded.pictures?.dispose();
    });
  }

  /**
   * Folds what changes weights into them, as strong as it is now, and loads the networks anew: a step costs what it costs
   * without adapters. What was folded cannot be changed any more; hypernetworks and embeddings stay as they are. Where a
   * network cannot be loaded anew, those before it stay folded, and the adapters change what is left.
   * @returns the names of what was folded
   * @throws {InvalidArgumentError} if a strength changes over the steps, or a module has no place for a change, and the
   * errors of loading
   */
  merge(): Promise<string[]> {
    return this.#inTurn(async () => {
      const folded = this.#entries.filter(changesWeights);
      for (const entry of folded) assertConstant(entry);
      const { mergedWeights } = await import('./adapters-merge.ts');
      // What cannot be folded is found while all networks are as they were.
      const merged = new Map<Component, ReadonlyMap<string, Tensor>>();
      for (const [component, network] of this.#networks)
        merged.set(component, await mergedWeights(network, adaptersFor(component, folded)));
      try {
        for (const [component, weights] of merged) await this.#fold(component, weights, folded);
      } finally {
        const isLeft = ({ networks, loaded }: Entry) => networks.size > 0 || loaded.embeddings.length > 0;
        await this.#change(this.#entries.filter((entry) => !folded.includes(entry) || isLeft(entry)));
      }
      return folded.map(({ name }) => name);
    });
  }

  /**
   * A component's checkpoint with all adapters of weights folded in, as strong as they are now, as the parts of a
   * safetensors file, one after the other. The pipeline stays as it is.
   * @throws {InvalidArgumentError} if the pipeline has no such component, or as `merge`
   */
  async *export(component: Component): AsyncGenerator<Uint8Array> {
    const network = this.#networks.get(component);
    if (!network) {
      throw new InvalidArgumentError(
        `adapters: there is no component "${component}". Give one of ${[...this.#networks.keys()].join(', ')}.`,
      );
    }
    const folded = this.#entries.filter(changesWeights);
    for (const entry of folded) assertConstant(entry);
    const { mergedCheckpoint } = await import('./adapters-merge.ts');
    yield* mergedCheckpoint(network, adaptersFor(component, folded));
  }

  /** The adapters in the order in which they were added. */
  list(): AdapterInfo[] {
    return this.#entries.map((entry) => this.#infoOf(entry));
  }

  #find(name: string): Entry {
    const entry = this.#entries.find((candidate) => candidate.name === name);
    if (entry) return entry;
    const others = this.#entries.map((other) => `"${other.name}"`).join(', ');
    throw new InvalidArgumentError(
      `adapters: there is no "${name}". ${others === '' ? 'None was added.' : `There are ${others}.`}`,
    );
  }

  /** Loads a network with weights that adapters are folded into, which then do not change it any more. */
  async #fold(
    component: Component,
    merged: ReadonlyMap<string, Tensor>,
    folded: readonly Entry[],
  ): Promise<void> {
    const network = this.#networks.get(component)!; // they were made of it
    const stored = new Map(network.weights);
    try {
      if (merged.size > 0) await network.replaceWeights(merged);
    } finally {
      // A network that fails to load may have its new weights already.
      const isFolded = [...merged.keys()].every((name) => network.weights.get(name) !== stored.get(name));
      if (isFolded) for (const { networks } of folded) networks.delete(component);
    }
  }

  /** Changes the networks to those with these adapters, all or none. */
  async #change(entries: readonly Entry[], options: Cancellable = {}): Promise<void> {
    const former = this.#entries;
    try {
      await this.#adapt(entries, options);
    } catch (error) {
      await this.#adapt(former);
      throw error;
    }
    this.#entries = entries;
  }

  async #adapt(entries: readonly Entry[], options: Cancellable = {}): Promise<void> {
    for (const [component, network] of this.#networks) {
      await network.adapt(adaptersFor(component, entries), options);
    }
    this.#embeddings.replace(entries.flatMap(embeddingsOf));
    this.#pictures.replace(entries.flatMap(readersOf));
  }

  #infoOf({ name, loaded, settings }: Entry): AdapterInfo {
    return {
      name,
      kind: loaded.kind,
      strength: settings.strength ?? 1,
      ...(settings.weights && { weights: settings.weights }),
      report: loaded.report,
      notes: [
        ...loaded.notes,
        ...loaded.embeddings.flatMap((embedding) => this.#embeddings.notesOn(embedding)),
      ],
    };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

const adaptersFor = (component: Component, entries: readonly Entry[]) =>
  entries.flatMap(({ networks }) => networks.get(component) ?? []);

const changesWeights = ({ networks }: Entry) =>
  [...networks.values()].some(({ modules }) => modules.size > 0);

function assertConstant({ name, settings: { strength } }: Entry): void {
  if (typeof strength !== 'function') return;
  throw new InvalidArgumentError(
    `adapters: the strength of "${name}" changes over the steps, and cannot be folded into weights. Set a number first.`,
  );
}

function entryOf(name: string, loaded: LoadedAdapter, settings: AdapterSettings): Entry {
  const networks = new Map<Component, NetworkAdapter>();
  const entry: Entry = { name, loaded, networks, settings };
  for (const [component, network] of loaded.networks) {
    const strength = (module: string, progress: number) =>
      strengthIn(name, entry.settings, `${component}.${module}`, progress);
    networks.set(component, { ...network, strength });
  }
  return entry;
}

/** What reads pictures, with the strength of its adapter before the first step. */
const readersOf = (entry: Entry) => {
  const { name, loaded } = entry;
  if (!loaded.pictures) return [];
  const strength = () => strengthIn(name, entry.settings, loaded.kind, 0);
  return [{ reader: loaded.pictures, strength }];
};

/** The strength of an embedding: prompts are encoded before the first step. */
const promptStrength = (name: string, settings: AdapterSettings): number =>
  strengthIn(name, settings, 'textEncoder', 0);

/** Embeddings that a LoRA brings are as they were trained with it, whatever its strength. */
function embeddingsOf({ name, loaded, settings }: Entry) {
  const strength = loaded.kind === 'embedding' ? promptStrength(name, settings) : 1;
  return loaded.embeddings.map((embedding) => ({ embedding, strength }));
}
