// Tests in a browser: the device that the run is for, and files from the server that the tests come from.
import type { Folder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createDevice, fetchFolder } from '@emulsion/runtime-web';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** What graphs run on. */
    device: 'webgpu' | 'wasm';
    /** Where the server has the golden data that is tested. */
    goldenPath: string;
    /** The families of golden cases whose pipelines are tested, where not all cases are. */
    goldenPipelines: readonly string[] | undefined;
  }
}

export const goldenPipelines: readonly string[] | undefined = inject('goldenPipelines');

export const fixturesUrl: URL = new URL('/fixtures/', globalThis.location.href);

export const goldenUrl: URL = new URL(inject('goldenPath'), globalThis.location.href);

export const openFolderAt = async (url: URL): Promise<Folder> => fetchFolder(url);

export const createTestDevice = (): Promise<Device> => createDevice(inject('device'));
