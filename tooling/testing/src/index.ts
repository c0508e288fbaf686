// What tests take from where they run.
import type { Folder } from '@emulsion/checkpoints';
import { fixturesUrl, openFolderAt } from '#platform';

export { createTestDevice, goldenPipelines, goldenUrl, openFolderAt } from '#platform';
export { changedComponent, readWeights, type Tensors } from './components.ts';
export { rewriteHeader } from './rewrite-header.ts';

/** A folder of this repository's fixtures. */
export const openFixture = (path: string): Promise<Folder> => openFolderAt(new URL(`${path}/`, fixturesUrl));
