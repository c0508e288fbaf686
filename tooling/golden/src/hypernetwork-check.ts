// How recorded hypernetworks are put on a model that is loaded, and what its U-Net makes of the recorded inputs then.
import { applyHypernetwork, readHypernetwork } from '@emulsion/adapters';
import { Adapters, loadPipeline } from '@emulsion/pipelines';
import type { Device } from '@emulsion/runtime';
import { openFolderAt } from '@emulsion/testing';
import { PromptEmbeddings } from '@emulsion/text-encoder';
import { loadUnet, type Unet } from '@emulsion/unet';
import { assertClose } from './assert-close.ts';
import type { GoldenArea, GoldenCase } from './golden-area.ts';
import { type LoadOnce, type PipelineCase, pipelineCheck } from './pipeline-check.ts';
import type { Check } from './test-area.ts';

/** A case with hypernetworks: their files, and the strengths that it was recorded with. */
export interface HypernetworkCase extends PipelineCase {
  readonly family: string;
  readonly model: string;
  readonly hypernetwork_file?: string;
  readonly hypernetwork_files?: readonly string[];
  readonly timestep?: number;
  readonly strength?: number;
  readonly strengths?: readonly number[];
  readonly context_dim?: number;
  readonly context_strength?: number;
}

type Golden = GoldenCase<HypernetworkCase>;
type Area = GoldenArea<HypernetworkCase>;

/** The U-Net with one file at each of its strengths, and the networks for one width by themselves. */
export async function hypernetworkCheck(
  golden: Golden,
  area: Area,
  loadOnce: LoadOnce,
): Promise<Check | string> {
  const unet = await loadOnce((await modelOf(golden, area)).subfolder('unet'), loadUnet);
  if (typeof unet === 'string') return unet;
  return async () => {
    const { strengths = [], context_dim = 0, context_strength, tolerance } = golden.json;
    const folder = await openFolderAt(area.address('./'));
    const { widths } = await readHypernetwork(folder, golden.json.hypernetwork_file!);
    const context = await golden.tensor('in.context');
    const { key, value } = widths.get(context_dim)!;
    for (const [layers, array] of [
      [key, 'k_context'],
      [value, 'v_context'],
    ] as const) {
      const changed = applyHypernetwork(layers, context, context_strength);
      assertClose(array, changed, await golden.tensor(array), tolerance);
    }
    await withHypernetworks(golden, area, adaptersOf(unet), async (set) => {
      for (const strength of strengths) {
        set([strength]);
        const array = `unet.strength${strength.toFixed(1)}`;
        assertClose(array, await predict(unet, golden), await golden.tensor(array), tolerance);
      }
    });
  };
}

/** The U-Net with several files, each at its strength. */
export async function hypernetworksCheck(
  golden: Golden,
  area: Area,
  loadOnce: LoadOnce,
): Promise<Check | string> {
  const unet = await loadOnce((await modelOf(golden, area)).subfolder('unet'), loadUnet);
  if (typeof unet === 'string') return unet;
  return () =>
    withHypernetworks(golden, area, adaptersOf(unet), async (set) => {
      set(golden.json.strengths ?? []);
      assertClose('out', await predict(unet, golden), await golden.tensor('out'), golden.json.tolerance);
    });
}

/** The picture that a pipeline paints with the file. */
export async function hypernetworkPipelineCheck(
  golden: Golden,
  area: Area,
  loadOnce: LoadOnce,
  device: Device,
): Promise<Check | string> {
  const model = await modelOf(golden, area);
  const check = await pipelineCheck(golden, model, loadOnce, device);
  const pipeline = await loadOnce(model, loadPipeline);
  if (typeof check === 'string') return check;
  if (typeof pipeline === 'string') return pipeline;
  return () =>
    withHypernetworks(golden, area, pipeline.adapters, async (set) => {
      set([golden.json.strength ?? 1]);
      await check();
    });
}

const adaptersOf = (unet: Unet) => new Adapters(new Map([['unet', unet]]), new PromptEmbeddings([]));

async function withHypernetworks(
  { json: { hypernetwork_file, hypernetwork_files = [hypernetwork_file!] } }: Golden,
  area: Area,
  adapters: Adapters,
  check: (set: (strengths: readonly number[]) => void) => Promise<void>,
): Promise<void> {
  const folder = await openFolderAt(area.address('./'));
  try {
    for (const path of hypernetwork_files) await adapters.add({ folder, path });
    await check((strengths) => {
      for (const [i, { name }] of adapters.list().entries()) adapters.set(name, strengths[i]!);
    });
  } finally {
    for (const { name } of adapters.list()) await adapters.remove(name);
  }
}

const predict = async (unet: Unet, golden: Golden) =>
  unet.predict({
    sample: await golden.tensor('in.sample'),
    encoderHiddenStates: await golden.tensor('in.encoder_hidden_states'),
    timestep: golden.json.timestep ?? 0,
  });

/** The folder of a case's model. */
function modelOf({ json: { family, model } }: Golden, { index, address }: Area) {
  // The format is fixed by the generators.
  const families = index.families as Readonly<Record<string, { readonly dirs: Record<string, string> }>>;
  return openFolderAt(address(`${families[family]!.dirs[model]!}/`));
}
