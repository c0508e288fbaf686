// How recorded LoRAs are put on a model that is loaded, and what its networks make of the recorded inputs then.
import type { Component } from '@emulsion/adapters';
import type { AdaptableNetwork } from '@emulsion/nn';
import { type AdapterSource, Adapters, loadPipeline } from '@emulsion/pipelines';
import type { Device } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';
import { openFolderAt } from '@emulsion/testing';
import { loadTextEncoder, PromptEmbeddings } from '@emulsion/text-encoder';
import { loadUnet } from '@emulsion/unet';
import { assertClose } from './assert-close.ts';
import type { GoldenArea, GoldenCase } from './golden-area.ts';
import { type LoadOnce, type PipelineCase, pipelineCheck } from './pipeline-check.ts';
import type { Check } from './test-area.ts';

/** A case with an adapter of weights: its file, and the strengths that it was recorded with. */
export interface LoraCase extends PipelineCase {
  readonly family: string;
  readonly model: string;
  readonly lora_file?: string;
  readonly timestep?: number;
  readonly scales?: readonly number[];
  readonly lora_scale?: number;
}

type Golden = GoldenCase<LoraCase>;
type Area = GoldenArea<LoraCase>;

/** The U-Net and the text encoder with the file at each of its strengths. */
export async function loraCheck(golden: Golden, area: Area, loadOnce: LoadOnce): Promise<Check | string> {
  const model = await modelOf(golden, area);
  const unet = await loadOnce(model.subfolder('unet'), loadUnet);
  const textEncoder = await loadOnce(model.subfolder('text_encoder'), loadTextEncoder);
  if (typeof unet === 'string') return unet;
  if (typeof textEncoder === 'string') return textEncoder;
  return async () => {
    const { timestep = 0, scales = [], tolerance } = golden.json;
    const networks: [Component, AdaptableNetwork][] = [
      ['unet', unet],
      ['textEncoder', textEncoder],
    ];
    const ids = await golden.array('in.input_ids');
    const inputs = {
      sample: await golden.tensor('in.sample'),
      encoderHiddenStates: await golden.tensor('in.encoder_hidden_states'),
      timestep,
    };
    await withAdapter(
      new Adapters(new Map(networks), new PromptEmbeddings([])),
      await sourceOf(golden, area),
      async (set) => {
        for (const scale of scales) {
          set(scale);
          const array = `scale${scale.toFixed(1)}`;
          assertClose(
            `unet ${array}`,
            await unet.predict(inputs),
            await golden.tensor(`unet.${array}`),
            tolerance,
          );
          const inputIds = tensor(Int32Array.from(ids.data, Number), ids.dims);
          const { lastHiddenState } = await textEncoder.encode({ inputIds });
          assertClose(`text ${array}`, lastHiddenState, await golden.tensor(`text.${array}`), tolerance);
        }
      },
    );
  };
}

/** The picture that a pipeline paints with the file. */
export async function loraPipelineCheck(
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
  return async () =>
    withAdapter(pipeline.adapters, await sourceOf(golden, area), async (set) => {
      set(golden.json.lora_scale ?? 1);
      await check();
    });
}

async function withAdapter(
  adapters: Adapters,
  source: AdapterSource,
  check: (set: (strength: number) => void) => Promise<void>,
): Promise<void> {
  const { name } = await adapters.add(source);
  try {
    await check((strength) => adapters.set(name, strength));
  } finally {
    await adapters.remove(name);
  }
}

const sourceOf = async ({ json }: Golden, area: Area): Promise<AdapterSource> => ({
  folder: await openFolderAt(area.address('./')),
  path: json.lora_file!, // each case of the family has one
});

/** The folder of a case's model. */
function modelOf({ json: { family, model } }: Golden, { index, address }: Area) {
  // The format is fixed by the generators.
  const families = index.families as Readonly<Record<string, { readonly dirs: Record<string, string> }>>;
  return openFolderAt(address(`${families[family]!.dirs[model]!}/`));
}
