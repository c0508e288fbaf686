// One area of the golden data: its index, the cases that it lists and their arrays. fixtures/golden/README.md has the format.
import { type Folder, openSafetensors, readTensor, type Weight, type Weights } from '@emulsion/checkpoints';
import type { Tensor } from '@emulsion/tensor';
import { goldenUrl, openFolderAt } from '@emulsion/testing';
import { type Area, areas } from './areas.ts';
import { type GoldenArray, readArray } from './golden-array.ts';

/** What the index says of every case. */
export interface CaseJson {
  readonly id: string;
  readonly family?: string;
  readonly kind?: string;
  readonly file?: string;
  readonly key_prefix?: string;
}

/** One case, with `json` as the index has it (the strings "inf" and "-inf" made numbers again). */
export interface GoldenCase<Json extends CaseJson = CaseJson> {
  readonly area: Area;
  /** Unique in the area. */
  readonly name: string;
  readonly json: Json;
  /** Whether the case has this array. */
  has(array: string): Promise<boolean>;
  /** An array with its values as they were recorded. @throws {Error} if the case has none of this name */
  array(array: string): Promise<GoldenArray>;
  /** An array as float32; int64 timesteps fit. @throws {Error} if the case has none of this name */
  tensor(array: string): Promise<Tensor>;
}

/** One area with its cases. */
export interface GoldenArea<Json extends CaseJson = CaseJson> {
  /** The index without its cases. */
  readonly index: Readonly<Record<string, unknown>>;
  readonly cases: readonly GoldenCase<Json>[];
  /** The address of a file or folder that the index names relative to the area. */
  address(relative: string): URL;
}

interface IndexJson<Json extends CaseJson> extends Record<string, unknown> {
  readonly file?: string;
  readonly cases: readonly Json[];
}

/**
 * Opens an area of the golden data; `undefined` if the folder does not have it.
 * @throws {Error} if the folder has none of the areas: GOLDEN_DIR then points elsewhere
 */
export async function openArea<Json extends CaseJson>(area: Area): Promise<GoldenArea<Json> | undefined> {
  const root = await openFolderAt(goldenUrl);
  if (!(await root.has(`${area}/index.json`))) {
    for (const other of areas) if (await root.has(`${other}/index.json`)) return undefined;
    throw new Error(
      `golden: ${root.name} has none of the areas ${areas.join(', ')} with an index.json. Point GOLDEN_DIR at a folder that has.`,
    );
  }
  const folder = root.subfolder(area);
  const text = new TextDecoder().decode(await folder.read('index.json'));
  // The format is fixed by the generators; a field that is not as declared shows as a failing case.
  const { cases, ...index } = JSON.parse(text, restoreInfinity) as IndexJson<Json>;
  const files = new Map<string, Promise<Weights>>();
  return {
    index,
    cases: cases.map((json) => goldenCase(area, json, folder, json.file ?? index.file, files)),
    address: (relative) => new URL(relative, new URL(`${area}/`, goldenUrl)),
  };
}

/** Prompts keep their words. */
function restoreInfinity(key: string, value: unknown): unknown {
  if (key === 'text' || key === 'prompt') return value;
  return value === 'inf' ? Number.POSITIVE_INFINITY : value === '-inf' ? Number.NEGATIVE_INFINITY : value;
}

function goldenCase<Json extends CaseJson>(
  area: Area,
  json: Json,
  folder: Folder,
  file: string | undefined,
  files: Map<string, Promise<Weights>>,
): GoldenCase<Json> {
  const name = json.family === undefined ? json.id : `${json.family} ${json.id}`;
  const open = (path: string) => {
    // Where files are fetched, one request is quicker than one for each array.
    const weights = files.get(path) ?? folder.locate(path).then(() => openSafetensors(folder, path));
    files.set(path, weights);
    return weights;
  };
  const find = async (array: string): Promise<Weight | undefined> =>
    file === undefined ? undefined : (await open(file)).get(`${json.key_prefix ?? ''}${array}`);
  const get = async (array: string): Promise<Weight> => {
    const weight = await find(array);
    if (!weight) throw new Error(`golden: ${area} ${name} has no array "${array}" in ${file ?? 'any file'}.`);
    return weight;
  };
  return {
    area,
    name,
    json,
    has: async (array) => (await find(array)) !== undefined,
    array: async (array) => readArray(folder, await get(array)),
    tensor: async (array) => readTensor(folder, await get(array)),
  };
}
