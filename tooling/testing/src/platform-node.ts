// Tests in Node: the processor, and files.
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Folder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createDevice, openFolder } from '@emulsion/runtime-node';

/** The families of golden cases whose pipelines are tested, where not all cases are. */
export const goldenPipelines: readonly string[] | undefined = undefined;

/** This repository's fixtures. */
export const fixturesUrl: URL = new URL('../../../fixtures/', import.meta.url);

const { GOLDEN_DIR } = process.env;

/** The folder of golden data that is tested: the environment variable GOLDEN_DIR, or that of this repository. */
export const goldenUrl: URL =
  GOLDEN_DIR === undefined ? new URL('golden/open/', fixturesUrl) : pathToFileURL(`${resolve(GOLDEN_DIR)}/`);

export const openFolderAt = (url: URL): Promise<Folder> => openFolder(fileURLToPath(url));

export const createTestDevice = (): Promise<Device> => createDevice('cpu');
