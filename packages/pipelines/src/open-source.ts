// What a model is called by whoever loads it: a folder here, or a model on a hub.
import type { Folder } from '@emulsion/checkpoints';
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

/**
 * Opens a model: a folder, if there is one of that name, else the model of a hub. What is not said of the hub comes
 * from the environment.
 * @param source a path, in a browser an address, or the owner and name of a model on a hub
 * @throws {SourceNotFoundError} if it is none of them, and the errors of `openHubFolder`
 */
export async function openSource(source: string, options: OpenHubFolderOptions): Promise<OpenedSource> {
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
