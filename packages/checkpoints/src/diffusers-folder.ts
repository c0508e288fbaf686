// A model as diffusers saves it: `model_index.json` names the pipeline's class and its components, each in a folder.
import { InvalidFileError, MissingFileError } from './errors.ts';
import { type Folder, readJson } from './folder.ts';
import { isOptimumFolder, optimumFolder, withoutOptimumClasses } from './optimum-folder.ts';

/** A part of a pipeline: the class that reads its folder, and the Python library that the class is from. */
export interface DiffusersComponent {
  readonly library: string;
  readonly className: string;
}

/** What `model_index.json` says. */
export interface DiffusersFolder {
  /** The folder in diffusers layout, of an Optimum export too. */
  readonly folder: Folder;
  /** The pipeline's class, for instance `StableDiffusionPipeline`. */
  readonly className: string;
  /** The components that the model has, by the name of their folder. */
  readonly components: Readonly<Record<string, DiffusersComponent>>;
  /** The pipeline's other settings, as they are in the file. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Reads the `model_index.json` of a folder in diffusers layout, or of one that Optimum exported: its classes are told
 * by the names of those that were exported, and its `vae_encoder` and `vae_decoder` are folders of `vae`.
 * @throws {MissingFileError} @throws {InvalidFileError}
 */
export async function openDiffusersFolder(folder: Folder): Promise<DiffusersFolder> {
  const path = 'model_index.json';
  if (!(await folder.has(path))) {
    throw new MissingFileError(folder, path, 'Give the folder of a model in diffusers layout.');
  }
  const json = await readJson(folder, path);
  const entries =
    typeof json === 'object' && json && !Array.isArray(json)
      ? withoutOptimumClasses(Object.entries(json))
      : [];
  const className = entries.find(([name]) => name === '_class_name')?.[1];
  if (typeof className !== 'string') {
    throw new InvalidFileError(folder, path, 'it has no "_class_name" with the name of a pipeline');
  }
  const components: [string, DiffusersComponent][] = [];
  const options: [string, unknown][] = [];
  for (const [name, value] of entries) {
    if (name.startsWith('_')) continue;
    if (!isPair(value)) {
      options.push([name, value]);
      continue;
    }
    const [library, component] = value;
    if (library === null && component === null) continue;
    if (typeof library !== 'string' || typeof component !== 'string') {
      throw new InvalidFileError(folder, path, `its "${name}" is not a pair of a library and a class`);
    }
    components.push([name, { library, className: component }]);
  }
  return {
    folder: (await isOptimumFolder(folder)) ? optimumFolder(folder) : folder,
    className,
    components: Object.fromEntries(components),
    options: Object.fromEntries(options),
  };
}

const isPair = (value: unknown): value is [unknown, unknown] => Array.isArray(value) && value.length === 2;
