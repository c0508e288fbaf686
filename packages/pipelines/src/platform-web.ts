// Where folders and devices come from in a browser.
import type { Folder } from '@emulsion/checkpoints';
import { fetchFolder } from '@emulsion/runtime-web';

export { createDevice } from '@emulsion/runtime-web';

/** The folder at an address of a web server, absolute or relative to the page's. */
export const openFolder = async (address: string): Promise<Folder> => fetchFolder(address);
