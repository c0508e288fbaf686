// Where folders, hubs and devices come from in a browser.
import type { Folder } from '@emulsion/checkpoints';
import { type HubOptions, isRepoId } from '@emulsion/hub';
import { fetchFolder } from '@emulsion/runtime-web';

export { createDevice } from '@emulsion/runtime-web';

/**
 * The folder at an address of a web server, absolute or relative to the page's. What looks like the name of a model on
 * a hub is that: an address of such a form begins with `./`.
 */
export const findFolder = async (address: string): Promise<Folder | undefined> =>
  isRepoId(address) ? undefined : fetchFolder(address);

/** A page has no settings of a hub. */
export const hubEnvironment = async (): Promise<HubOptions> => ({});
