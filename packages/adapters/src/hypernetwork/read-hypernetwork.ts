// Files of hypernetworks: A1111's `.pt`, a pickled dict, and the same as safetensors, which `writeHypernetwork` makes.
import {
  type Folder,
  InvalidFileError,
  isPickledWeight,
  readPytorch,
  readSafetensorsHeader,
  UnsupportedFileError,
  type Weight,
  type Weights,
} from '@emulsion/checkpoints';
import type { Hypernetwork, HypernetworkPair } from './hypernetwork.ts';
import { parseSettings } from './parse-settings.ts';
import { readLayers } from './read-layers.ts';
import { hypernetworkNote, tensorName } from './safetensors-form.ts';

/** What a file holds, in A1111's terms. */
interface HypernetworkFile {
  /** All but the weights, by A1111's names. */
  readonly settings: ReadonlyMap<string, unknown>;
  /** The state dicts of the networks for keys and for values, by width. */
  readonly modules: ReadonlyMap<number, readonly [key: Weights, value: Weights]>;
}

/**
 * Reads a hypernetwork: a `.pt` of A1111, of which nothing is executed, or a `.safetensors` of `writeHypernetwork`.
 * @throws {MissingFileError} @throws {InvalidFileError} if the file is damaged, or its weights are not those of its
 * layers @throws {UnsupportedFileError} if it is no hypernetwork, or one with layers that A1111 does not have
 */
export async function readHypernetwork(folder: Folder, path: string): Promise<Hypernetwork> {
  const file = path.endsWith('.safetensors')
    ? await openSafetensorsForm(folder, path)
    : filePickled(await readPytorch(folder, path));
  if (!file) {
    throw new UnsupportedFileError(
      folder,
      path,
      'it holds no hypernetwork',
      'Give a .pt of A1111, or a .safetensors that was made of one.',
    );
  }
  return readFrom(folder, path, file);
}

/** The hypernetwork in what `readPytorch` gives, if it is one: networks under their widths, all else under names. */
function filePickled(root: unknown): HypernetworkFile | undefined {
  if (!isPickledHypernetwork(root)) return undefined;
  const settings = new Map<string, unknown>();
  const modules = new Map<number, [Weights, Weights]>();
  for (const [key, value] of root) {
    if (typeof key === 'string') settings.set(key, value);
    if (typeof key === 'number' && isPair(value))
      modules.set(key, [weightsOf(value[0]), weightsOf(value[1])]);
  }
  return { settings, modules };
}

/** Whether what `readPytorch` gives is a hypernetwork: a dict with two dicts under the number of each width. */
export function isPickledHypernetwork(root: unknown): root is ReadonlyMap<unknown, unknown> {
  return root instanceof Map && [...root].some(([key, value]) => typeof key === 'number' && isPair(value));
}

type StateDict = ReadonlyMap<unknown, unknown>;

const isPair = (value: unknown): value is readonly [StateDict, StateDict] =>
  Array.isArray(value) && value.length === 2 && value.every((item) => item instanceof Map);

/** The tensors of a state dict, the oldest names made new. */
function weightsOf(state: StateDict): Weights {
  const weights = new Map<string, Weight>();
  for (const [name, value] of state) {
    if (typeof name !== 'string' || !isPickledWeight(value)) continue;
    const [, number, rest] = /^linear([12])\.(weight|bias)$/.exec(name) ?? [];
    weights.set(number === undefined ? name : `linear.${Number(number) - 1}.${rest}`, value);
  }
  return weights;
}

async function openSafetensorsForm(folder: Folder, path: string): Promise<HypernetworkFile | undefined> {
  const { metadata, weights } = await readSafetensorsHeader(folder, path);
  const note = metadata.get(hypernetworkNote);
  if (note === undefined) return undefined;
  let settings: unknown;
  try {
    settings = JSON.parse(note);
  } catch (cause) {
    throw new InvalidFileError(folder, path, `"${hypernetworkNote}" in its metadata is not JSON`, { cause });
  }
  if (typeof settings !== 'object' || settings === null)
    throw new InvalidFileError(folder, path, `"${hypernetworkNote}" in its metadata is no object`);
  const modules = new Map<number, [Map<string, Weight>, Map<string, Weight>]>();
  for (const [name, weight] of weights) {
    const place = tensorName.exec(name)?.groups;
    if (!place) throw new InvalidFileError(folder, path, `"${name}" is no weight of a hypernetwork`);
    const width = Number(place.width);
    const pair = modules.get(width) ?? [new Map(), new Map()];
    modules.set(width, pair);
    pair[place.side === 'key' ? 0 : 1].set(place.parameter!, weight);
  }
  return { settings: new Map(Object.entries(settings)), modules };
}

async function readFrom(
  folder: Folder,
  path: string,
  { settings: given, modules }: HypernetworkFile,
): Promise<Hypernetwork> {
  const { settings, notes } = parseSettings(folder, path, given);
  const widths = new Map<number, HypernetworkPair>();
  const types = new Set<string>();
  for (const [width, [key, value]] of modules) {
    for (const weight of [...key.values(), ...value.values()]) types.add(weight.dtype);
    widths.set(width, {
      key: await readLayers(folder, path, width, key, settings),
      value: await readLayers(folder, path, width, value, settings),
    });
  }
  const half = types.size === 1 && types.has('float16');
  return { ...settings, widths, dtype: half ? 'float16' : 'float32', notes };
}
