import type { Folder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createTestDevice } from '@emulsion/testing';
import { afterAll, beforeAll } from 'vitest';
import type { GoldenArea, GoldenCase } from './golden-area.ts';
import {
  type HypernetworkCase,
  hypernetworkCheck,
  hypernetworkPipelineCheck,
  hypernetworksCheck,
} from './hypernetwork-check.ts';
import { type LoraCase, loraCheck, loraPipelineCheck } from './lora-check.ts';
import { type Check, testArea } from './test-area.ts';
import {
  type EmbeddingCase,
  embeddingPipelineCheck,
  textualInversionCheck,
} from './textual-inversion-check.ts';

interface AdapterCase extends EmbeddingCase, LoraCase, HypernetworkCase {
  readonly kind: string;
}

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

const loaded = new Map<string, Promise<unknown>>();

/** What `load` makes of a folder, loaded once for all cases. */
async function loadOnce<Loaded extends object>(
  folder: Folder,
  load: (folder: Folder, options: { device: Device }) => Promise<Loaded>,
): Promise<Loaded> {
  const key = `${load.name} ${folder.name}`;
  // Under a loader's name there is what it loads.
  const loading = (loaded.get(key) as Promise<Loaded> | undefined) ?? load(folder, { device });
  loaded.set(key, loading);
  return loading;
}

type CheckOf = (
  golden: GoldenCase<AdapterCase>,
  adapters: GoldenArea<AdapterCase>,
) => Promise<Check | string>;

/** The checks of what is supported, by family and kind. */
const checks: Readonly<Record<string, CheckOf>> = {
  'hypernetwork hypernetwork': (golden, adapters) => hypernetworkCheck(golden, adapters, loadOnce),
  'hypernetwork hypernetwork_multi': (golden, adapters) => hypernetworksCheck(golden, adapters, loadOnce),
  'hypernetwork pipeline': (golden, adapters) =>
    hypernetworkPipelineCheck(golden, adapters, loadOnce, device),
  'lora lora': (golden, adapters) => loraCheck(golden, adapters, loadOnce),
  'lora pipeline': (golden, adapters) => loraPipelineCheck(golden, adapters, loadOnce, device),
  'textual_inversion textual_inversion': (golden, adapters) =>
    textualInversionCheck(golden, adapters, loadOnce),
  'textual_inversion pipeline': (golden, adapters) =>
    embeddingPipelineCheck(golden, adapters, loadOnce, device),
};

await testArea<AdapterCase>('adapters', {
  traits: ({ kind, family }) => [{ kind, family }],
  check: (golden, adapters) => {
    const { kind, family } = golden.json;
    return checks[`${family} ${kind}`]?.(golden, adapters) ?? `${family}'s ${kind} is not checked yet`;
  },
});
