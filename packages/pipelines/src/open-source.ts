// What a model is called by whoever loads it: a folder or a file here, or a model on a hub.
import { type Folder, isSingleFile, openControlNetFile, openSingleFile } from '@emulsion/checkpoints';
import {
  HubUnreachableError,
  isRepoId,
  NotCachedError,
  type OpenHubFolderOptions,
  openHubFolder,
  RepositoryNotFoundError,
} from '@emulsion/hub';
import { InvalidArgumentError } from '@emulsion/tensor';
import { findFolder, hubEnvironment } from '#platform';
import { SourceNotFoundError } from './errors.ts';

/** A model's files, and what is to be said of how they were found. */
export interface OpenedSource {
  readonly folder: Folder;
  readonly notes: readonly string[];
}

/** How to open a model. */
export interface OpenSourceOptions extends OpenHubFolderOptions {
  /** Of a model in a single file: the model in diffusers layout that its tokenizers are taken from; see `openSingleFile`. */
  readonly config?: string | Folder | undefined;
}

/**
 * Opens a model: a folder or a file, if there is one of that name, else the model of a hub. What is not said of the hub
 * comes from the environment.
 * @param source a path, in a browser an address, or the owner and name of a model on a hub; with the ending of a file
 * one that holds a whole model, on a hub behind the model's name
 * @throws {SourceNotFoundError} if it is none of them, and the errors of `openHubFolder` and `openSingleFile`
 */
export async function openSource(
  source: string,
  { config, ...options }: OpenSourceOptions,
): Promise<OpenedSource> {
  if (isSingleFile(source)) return openModelFile(source, config, options);
  const folder = await findFolder(source);
  if (folder) {
    if (options.revision !== undefined) {
      throw new InvalidArgumentError(
        `revision is "${options.revision}", but "${source}" is a folder, which has no revisions. Leave it out.`,
      );
    }
    return { folder, notes: [] };
  }
  if (!isRepoId(source)) {
    throw new SourceNotFoundError(
      source,
      `${source}: there is no such folder, nor is it the name of a model on a hub, as "owner/name" is. Check the path.`,
    );
  }
  const environment = await hubEnvironment();
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  try {
    const model = await openHubFolder(source, { ...environment, ...given });
    return { folder: model, notes: model.notes };
  } catch (cause) {
    // A misspelt path looks like a model on a hub: both are said.
    if (RepositoryNotFoundError.is(cause) || HubUnreachableError.is(cause) || NotCachedError.is(cause)) {
      const message = `There is no folder "${source}" here. As a model on a hub: ${cause.message}`;
      throw new SourceNotFoundError(source, message, { cause });
    }
    throw cause;
  }
}

/**
 * Opens a ControlNet: the folder of one, or a file that holds one.
 * @param source as of `openSource`
 * @throws as `openSource`, and the errors of `openControlNetFile`
 */
export async function openControlNetSource(
  source: string,
  options: OpenHubFolderOptions,
): Promise<OpenedSource> {
  if (!isSingleFile(source)) return openSource(source, options);
  const { folder, path, notes } = await findModelFile(source, options);
  return { folder: await openControlNetFile(folder, path), notes };
}

/** The model on a hub with the tokenizer of all Stable Diffusions. */
const clip = 'openai/clip-vit-large-patch14';

async function openModelFile(
  source: string,
  config: string | Folder | undefined,
  options: OpenHubFolderOptions,
): Promise<OpenedSource> {
  const { folder, path, notes } = await findModelFile(source, options);
  // The revision is the model's.
  const { revision: _, ...others } = options;
  if (config !== undefined) {
    const opened =
      typeof config === 'string' ? await openSource(config, others) : { folder: config, notes: [] };
    const model = await openSingleFile(folder, path, { config: opened.folder });
    return { folder: model, notes: [...notes, ...opened.notes] };
  }
  try {
    const allNotes = [...notes];
    const tokenizer = async () => {
      const opened = await openSource(clip, others);
      allNotes.push(...opened.notes);
      return opened.folder;
    };
    return { folder: await openSingleFile(folder, path, { tokenizer }), notes: allNotes };
  } catch (cause) {
    if (!SourceNotFoundError.is(cause)) throw cause;
    throw new SourceNotFoundError(
      clip,
      `${source}: a model in a single file has no tokenizer, and CLIP's is not to be had. Give a model in diffusers layout to take it from (config), or the network. ${cause.message}`,
      { cause },
    );
  }
}

/** The folder of a file, and its name in there: here, or on a hub. @throws {SourceNotFoundError} if there is none, and the errors of `openHubFolder` */
export async function findModelFile(
  source: string,
  options: OpenHubFolderOptions,
): Promise<OpenedSource & { readonly path: string }> {
  const slash = Math.max(source.lastIndexOf('/'), source.lastIndexOf('\\'));
  const path = source.slice(slash + 1);
  const folder = await findFolder(slash < 0 ? './' : source.slice(0, slash + 1));
  if (folder && (await folder.has(path))) return { folder, path, notes: [] };
  const [owner, name, ...parts] = source.split('/');
  const repo = `${owner}/${name}`;
  if (parts.length > 0 && isRepoId(repo)) {
    return { ...(await openSource(repo, options)), path: parts.join('/') };
  }
  throw new SourceNotFoundError(
    source,
    `${source}: there is no such file, nor is it one of a model on a hub, as "owner/name/model.safetensors" is. Check the path.`,
  );
}
