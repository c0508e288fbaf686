// The weights of one component of a model, in any of the files that diffusers and transformers save them in.
import { InvalidFileError, MissingFileError } from './errors.ts';
import { type Folder, readJson } from './folder.ts';
import { openSafetensors } from './safetensors.ts';
import type { Weight, Weights } from './weight.ts';

/** How to choose among the weights of a component. */
export interface OpenWeightsOptions {
  /** A copy by the word in its file name, for instance `fp16`; without it the plain one, or `fp16` if there is only that. */
  readonly variant?: string;
}

const stems = ['diffusion_pytorch_model', 'model'];
const pickleNames = ['diffusion_pytorch_model.bin', 'pytorch_model.bin', 'model.bin', 'model.ckpt'];

const fileNames = (variant: string | undefined) =>
  stems.map((stem) => (variant ? `${stem}.${variant}.safetensors` : `${stem}.safetensors`));

/** Names of the list of shards; the libraries have changed where the variant stands. */
const indexNames = (variant: string | undefined) =>
  stems.flatMap((stem) =>
    variant
      ? [
          `${stem}.safetensors.index.${variant}.json`,
          `${stem}.safetensors.${variant}.index.json`,
          `${stem}.${variant}.safetensors.index.json`,
        ]
      : [`${stem}.safetensors.index.json`],
  );

/**
 * The weights of a component's folder: `diffusion_pytorch_model.safetensors` or `model.safetensors`, whole or in
 * shards. Only headers are read.
 * @throws {MissingFileError} if there are none, with the names that were looked for, or if a shard is missing
 * @throws {InvalidFileError} if a file is damaged, or shards and their index disagree
 * @throws {UnsupportedFileError} as `openSafetensors`
 */
export async function openWeights(folder: Folder, options: OpenWeightsOptions = {}): Promise<Weights> {
  const { variant } = options;
  const variants = variant === undefined ? [undefined, 'fp16'] : [variant];
  for (const candidate of variants) {
    const file = await firstPresent(folder, fileNames(candidate));
    if (file) return openSafetensors(folder, file);
    const index = await firstPresent(folder, indexNames(candidate));
    if (index) return openShards(folder, index);
  }
  const wanted = variants.flatMap((candidate) => [...fileNames(candidate), ...indexNames(candidate)]);
  const pickle = await firstPresent(folder, pickleNames);
  const advice = pickle
    ? `There is a "${pickle}", a format that is not read yet. Save the model with safetensors.`
    : `Nor is there any of ${wanted.slice(1).join(', ')}. Give the folder of a model in diffusers layout.`;
  throw new MissingFileError(folder, wanted[0]!, advice);
}

async function firstPresent(folder: Folder, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await folder.has(path)) return path;
  return undefined;
}

async function openShards(folder: Folder, index: string): Promise<Weights> {
  const shardOf = parseIndex(folder, index, await readJson(folder, index));
  const weights = new Map<string, Weight>();
  for (const shard of new Set(shardOf.values())) {
    if (!(await folder.has(shard))) {
      throw new MissingFileError(
        folder,
        shard,
        `"${index}" lists it. Download the missing part of the model.`,
      );
    }
    for (const [name, weight] of await openSafetensors(folder, shard)) {
      const home = shardOf.get(name) ?? shard;
      if (home !== shard) continue;
      if (weights.has(name)) {
        throw new InvalidFileError(
          folder,
          index,
          `it leaves out "${name}", which is in ${shard} and elsewhere`,
        );
      }
      weights.set(name, weight);
    }
  }
  for (const [name, shard] of shardOf) {
    if (!weights.has(name)) {
      throw new InvalidFileError(
        folder,
        index,
        `it says that "${name}" is in ${shard}, which has no such tensor`,
      );
    }
  }
  return weights;
}

/** Text that names no file of the folder itself. */
const notFileName = /^\.{0,2}$|[/\\\0]/;

/** The shard of each tensor. */
function parseIndex(folder: Folder, path: string, json: unknown): Map<string, string> {
  const map: unknown = typeof json === 'object' && json && 'weight_map' in json ? json.weight_map : undefined;
  if (typeof map !== 'object' || !map || Array.isArray(map))
    throw new InvalidFileError(folder, path, 'it has no "weight_map"');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || notFileName.test(shard)) {
      throw new InvalidFileError(folder, path, `"weight_map" gives no file name for "${name}"`);
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}
