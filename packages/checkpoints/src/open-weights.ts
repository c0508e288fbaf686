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

/** Reads what PyTorch pickled; pages download how that is done when they meet such a file. */
const openPickled: typeof openSafetensors = async (folder, path) =>
  (await import('./pytorch.ts')).openPytorch(folder, path);

/** The formats of weights by the ending of their files, the better one first, and the names that go before it. */
const formats = [
  { ending: 'safetensors', stems: ['diffusion_pytorch_model', 'model'], open: openSafetensors },
  { ending: 'bin', stems: ['diffusion_pytorch_model', 'pytorch_model', 'model'], open: openPickled },
] as const;
type Format = (typeof formats)[number];

const fileNames = ({ ending, stems }: Format, variant: string | undefined) =>
  stems.map((stem) => (variant ? `${stem}.${variant}.${ending}` : `${stem}.${ending}`));

/** Names of the list of shards; the libraries have changed where the variant stands. */
const indexNames = ({ ending, stems }: Format, variant: string | undefined) =>
  stems.flatMap((stem) =>
    variant
      ? [
          `${stem}.${ending}.index.${variant}.json`,
          `${stem}.${ending}.${variant}.index.json`,
          `${stem}.${variant}.${ending}.index.json`,
        ]
      : [`${stem}.${ending}.index.json`],
  );

/**
 * The weights of a component's folder: `diffusion_pytorch_model.safetensors` or `model.safetensors`, whole or in
 * shards, else PyTorch's `diffusion_pytorch_model.bin` or `pytorch_model.bin`. Only headers are read.
 * @throws {MissingFileError} if there are none, with the names that were looked for, or if a shard is missing
 * @throws {InvalidFileError} if a file is damaged, or shards and their index disagree
 * @throws {UnsupportedFileError} as `openSafetensors` and `openPytorch`
 */
export async function openWeights(folder: Folder, options: OpenWeightsOptions = {}): Promise<Weights> {
  if (folder.weights) return folder.weights();
  const { variant } = options;
  const variants = variant === undefined ? [undefined, 'fp16'] : [variant];
  for (const format of formats) {
    for (const candidate of variants) {
      const file = await firstPresent(folder, fileNames(format, candidate));
      if (file) return format.open(folder, file);
      const index = await firstPresent(folder, indexNames(format, candidate));
      if (index) return openShards(folder, index, format.open);
    }
  }
  const [first, ...others] = variants.flatMap((candidate) => [
    ...fileNames(formats[0], candidate),
    ...indexNames(formats[0], candidate),
  ]);
  throw new MissingFileError(
    folder,
    first!,
    `Nor is there any of ${others.join(', ')}, or a pytorch_model.bin. Give the folder of a model in diffusers layout.`,
  );
}

async function firstPresent(folder: Folder, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await folder.has(path)) return path;
  return undefined;
}

async function openShards(folder: Folder, index: string, open: Format['open']): Promise<Weights> {
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
    for (const [name, weight] of await open(folder, shard)) {
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
