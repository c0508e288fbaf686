// Opens a file of the LoRA family for a model: matches its names with the model's modules and reads what they change.
import {
  type Folder,
  InvalidFileError,
  openPytorch,
  readSafetensorsHeader,
  readTensors,
  type Weights,
} from '@emulsion/checkpoints';
import { type Tensor, tensor } from '@emulsion/tensor';
import { allFinite } from '../all-finite.ts';
import { AdapterMismatchError } from '../errors.ts';
import type { ModelModules } from '../model-modules.ts';
import type { ModuleChange, WeightChange } from '../module-change.ts';
import { type LoraAlgorithm, readChange } from './algorithms.ts';
import { statedBaseModel } from './base-model.ts';
import { doraDelta, type MagnitudeAxis } from './dora.ts';
import { type FileChange, fullChange, lowRankDelta } from './file-change.ts';
import { FileModule, type NamedTensor } from './file-module.ts';
import { type LoraKey, type Part, parseLoraKey } from './lora-key.ts';
import { fitWarning, type LoraReport, type LoraTarget } from './lora-report.ts';
import { loraBias } from './low-rank.ts';
import { type PeftConfig, peftScaling, readPeftConfig } from './peft-config.ts';
import { columnsOf, type Place, pickRows } from './place.ts';
import { type Places, placesOf } from './places.ts';

/** What a file of the LoRA family holds. */
export interface Lora {
  /** What it changes in the model, at most one change for each module. */
  readonly changes: readonly ModuleChange[];
  /**
   * Textual inversions bundled with it: for each name its tensors by theirs, `string_to_param.*`, `clip_l`, `clip_g`;
   * `[vectors, channels]`.
   */
  readonly embeddings: ReadonlyMap<string, ReadonlyMap<string, Tensor>>;
  readonly report: LoraReport;
}

/** For what a file is opened. */
export interface LoadLoraOptions {
  /** The modules that it may change; see `modulesOf`. */
  readonly model: ModelModules;
}

/**
 * Reads a file of the LoRA family: LoRA, LoCon, LoHa, LoKr, GLoRA, (IA)³, OFT, BOFT, full differences and norms, each
 * with the magnitudes of DoRA or without, in the names of kohya, LyCORIS, diffusers, PEFT, ComfyUI, OneTrainer and
 * X-Labs. Files of PyTorch (`.pt`, `.bin`, `.ckpt`, `.pth`) are read without running anything in them.
 * @throws {MissingFileError} @throws {InvalidFileError} if the file is damaged, lacks a part of a change, or holds NaN or
 * infinity @throws {UnsupportedFileError} if it is a pickle of anything but tensors, or mixes what the model has apart
 * @throws {AdapterMismatchError} if no name in it is of a module of the model, or a weight has another shape
 */
export async function loadLora(folder: Folder, path: string, { model }: LoadLoraOptions): Promise<Lora> {
  const { weights, metadata } = await openFile(folder, path);
  const config = await readPeftConfig(folder, path, metadata);
  const baseModel = statedBaseModel(metadata, config);
  const { modules, bundled, unmatched, unused } = sortKeys(weights, placesOf(model));
  if (modules.length === 0) {
    const names = `none of its ${weights.size} tensors has the name of a module of this model`;
    throw new AdapterMismatchError(`${folder.name}/${path}`, names, baseModel);
  }
  const wanted = [...modules.flatMap(({ parts }) => [...parts.values()]), ...bundled.keys()];
  const tensors = await readFinite(folder, path, weights, wanted);
  const reader = new ModuleReader(folder, path, tensors, config, baseModel);
  const changes = modules.flatMap((module) => reader.read(module));
  const matched = modules
    .flatMap(({ parts }) => [...parts.values()])
    .filter((key) => !reader.unused.has(key));
  const targets = changes.map(({ component, module }): LoraTarget => ({ component, module }));
  return {
    changes,
    embeddings: embeddingsOf(bundled, tensors),
    report: {
      ...{ matched, unmatched, unused: [...unused, ...reader.unused], targets, baseModel },
      algorithms: [...reader.algorithms],
      dora: reader.dora,
      ranks: [...reader.ranks].sort((a, b) => a - b),
      warning: fitWarning(model, { matched, unmatched, baseModel }),
    },
  };
}

const pickled = /\.(?:pt|bin|ckpt|pth)$/i;

async function openFile(folder: Folder, path: string) {
  if (!pickled.test(path)) return readSafetensorsHeader(folder, path);
  return { weights: await openPytorch(folder, path), metadata: new Map<string, string>() };
}

/** A module in a file, the names of its tensors by their parts, and where it belongs. */
interface KeyedModule {
  readonly name: string;
  readonly parts: Map<Part, string>;
  readonly places: readonly Place[];
}

/** The name of a bundled textual inversion, and that of one of its tensors. */
interface BundledKey {
  readonly name: string;
  readonly part: string;
}

/** Sorts the names of a file by what they are for. */
function sortKeys(weights: Weights, places: Places) {
  const modules = new Map<string, KeyedModule>();
  const bundled = new Map<string, BundledKey>();
  const unmatched: string[] = [];
  const unused: string[] = [];
  for (const key of weights.keys()) {
    const bundle = /^bundle_emb\.(.+?)\.(string_to_param\.[^.]*|clip_l|clip_g|t5|emb_params)$/.exec(key);
    if (bundle) {
      bundled.set(key, { name: bundle[1]!, part: bundle[2]! });
      continue;
    }
    const parsed = parseLoraKey(key);
    if (!parsed) {
      unused.push(key);
      continue;
    }
    const module = modules.get(parsed.module) ?? {
      ...{ name: parsed.module, parts: new Map<Part, string>() },
      places: findPlaces(parsed, places) ?? [],
    };
    modules.set(parsed.module, module);
    if (module.places.length === 0) unmatched.push(key);
    else if (module.parts.has(parsed.part)) unused.push(key);
    else module.parts.set(parsed.part, key);
  }
  const found = [...modules.values()].filter((module) => module.places.length > 0);
  return { modules: found, bundled, unmatched, unused };
}

function findPlaces({ candidates }: LoraKey, places: Places): readonly Place[] | undefined {
  for (const { components, name } of candidates) {
    const component = components.find((candidate) => places.has(candidate));
    const found = component && places.get(component)?.get(name);
    if (found) return found;
  }
  return undefined;
}

/** The tensors of these names, all of whose elements are numbers. */
async function readFinite(folder: Folder, path: string, weights: Weights, keys: readonly string[]) {
  const tensors = new Map<string, Tensor>();
  for await (const [{ name }, values] of readTensors(
    folder,
    keys.map((key) => weights.get(key)!),
  )) {
    if (!allFinite(values)) {
      throw new InvalidFileError(folder, path, `${JSON.stringify(name)} holds NaN or infinity`);
    }
    tensors.set(name, values);
  }
  return tensors;
}

/** Reads the changes of the modules of a file, and keeps what is to be reported of them. */
class ModuleReader {
  readonly algorithms = new Set<LoraAlgorithm>();
  readonly ranks = new Set<number>();
  readonly unused = new Set<string>();
  dora = false;
  readonly #folder: Folder;
  readonly #path: string;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #config: PeftConfig | undefined;
  readonly #baseModel: string | undefined;
  readonly #done = new Set<string>();

  constructor(
    folder: Folder,
    path: string,
    tensors: ReadonlyMap<string, Tensor>,
    config: PeftConfig | undefined,
    baseModel: string | undefined,
  ) {
    this.#folder = folder;
    this.#path = path;
    this.#tensors = tensors;
    this.#config = config;
    this.#baseModel = baseModel;
  }

  read(keyed: KeyedModule): ModuleChange[] {
    const { parts, places } = keyed;
    const changes: ModuleChange[] = [];
    const module = this.#open(keyed);
    const read = readChange(module);
    const known = new Set<Part>(read?.parts);
    const magnitude = read && this.#magnitude(module, places[0]!, known);
    const bias = this.#bias(module, known);
    for (const [part, key] of parts) if (!known.has(part)) this.unused.add(key);
    if (!read && !bias) return changes;
    if (read) this.algorithms.add(read.algorithm);
    if (read?.change.rank !== undefined) this.ranks.add(read.change.rank);
    for (const place of places) {
      const id = `${place.component}/${place.module}`;
      if (this.#done.has(id)) {
        for (const key of parts.values()) this.unused.add(key);
        continue;
      }
      this.#done.add(id);
      const weight = read && this.#place(module, read.change, place, magnitude);
      changes.push({
        ...{ component: place.component, module: place.module },
        ...(weight && { weight }),
        ...(bias && { bias: this.#placeBias(module, bias, place) }),
      });
    }
    return changes;
  }

  #open({ name, parts, places }: KeyedModule): FileModule {
    const named = new Map<Part, NamedTensor>();
    for (const [part, key] of parts) named.set(part, { key, tensor: this.#tensors.get(key)! });
    const { component, module } = places[0]!;
    const file = { folder: this.#folder, path: this.#path };
    // A configuration may lie beside the files of other programs too.
    const config = [...parts.values()].some((key) => key.includes('.lora_B')) ? this.#config : undefined;
    return new FileModule(name, file, named, (rank) => peftScaling(config, component, module, rank));
  }

  /** The magnitudes of DoRA, if the module has any. */
  #magnitude(
    module: FileModule,
    place: Place,
    known: Set<Part>,
  ): { tensor: Tensor; axis: MagnitudeAxis } | undefined {
    const part = (['dora_scale', 'magnitude'] as const).find((name) => module.has(name));
    if (!part) return undefined;
    known.add(part);
    this.dora = true;
    const values = module.need(part);
    const size = values.data.length;
    // PEFT's are of outputs always; of LyCORIS' the dims say it.
    const ofOutputs = size === place.fileRows && (part === 'magnitude' || values.dims[0] === size);
    if (ofOutputs) return { tensor: values, axis: 'output' };
    if (size !== place.dims[1]) throw this.#mismatch(module, place, `[${values.dims.join(', ')}]`);
    if (place.fileRows !== place.dims[0]) throw module.inseparable();
    return { tensor: values, axis: 'input' };
  }

  #bias(module: FileModule, known: Set<Part>): Tensor | undefined {
    for (const part of ['diff_b', 'b_norm'] as const) {
      if (!module.has(part)) continue;
      known.add(part);
      return module.need(part);
    }
    if (module.has('up_bias')) known.add('up_bias');
    return loraBias(module);
  }

  #place(
    module: FileModule,
    change: FileChange,
    place: Place,
    magnitude: { tensor: Tensor; axis: MagnitudeAxis } | undefined,
  ): WeightChange {
    const { rows = place.fileRows, columns = columnsOf(place) } = change;
    // What was made for pictures alone changes their channels of a model that takes masks too.
    const fewer = place.module === 'conv_in' && columns < columnsOf(place);
    if (rows !== place.fileRows || (columns !== columnsOf(place) && !fewer)) {
      throw this.#mismatch(module, place, `[${rows}, ${columns}]`);
    }
    const placed = change.at(place);
    if (magnitude) {
      const delta = 'form' in placed ? lowRankDelta(placed) : placed;
      return fullChange(doraDelta(delta, magnitude.tensor, magnitude.axis, place));
    }
    return 'form' in placed ? placed : fullChange(placed);
  }

  #placeBias(module: FileModule, bias: Tensor, place: Place): Tensor {
    if (bias.data.length !== place.fileRows) throw this.#mismatch(module, place, `[${bias.dims.join(', ')}]`);
    return tensor(pickRows(bias.data, 1, place), [place.dims[0] ?? 1]);
  }

  #mismatch(module: FileModule, { module: path, dims, fileRows }: Place, size: string): AdapterMismatchError {
    const own = [fileRows, ...dims.slice(1)].join(', ');
    return new AdapterMismatchError(
      `${this.#folder.name}/${this.#path}`,
      `${JSON.stringify(module.name)} is for a weight of ${size}, "${path}" of this model has [${own}]`,
      this.#baseModel,
    );
  }
}

function embeddingsOf(bundled: ReadonlyMap<string, BundledKey>, tensors: ReadonlyMap<string, Tensor>) {
  const embeddings = new Map<string, Map<string, Tensor>>();
  for (const [key, { name, part }] of bundled) {
    const embedding = embeddings.get(name) ?? new Map<string, Tensor>();
    embedding.set(part, tensors.get(key)!);
    embeddings.set(name, embedding);
  }
  return embeddings;
}
