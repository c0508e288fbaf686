import type { Folder } from '@emulsion/checkpoints';
import { ConfigError } from '@emulsion/nn';
import type { Device } from '@emulsion/runtime';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { type Tensor, tensor } from '@emulsion/tensor';
import { loadTextEncoder } from '@emulsion/text-encoder';
import { loadUnet } from '@emulsion/unet';
import { loadVae } from '@emulsion/vae';
import { afterAll, beforeAll } from 'vitest';
import { assertClose, type Tolerance } from './assert-close.ts';
import type { CaseJson, GoldenArea, GoldenCase } from './golden-area.ts';
import { unstack } from './golden-array.ts';
import { type Check, testArea } from './test-area.ts';

interface ModelCase extends CaseJson {
  readonly kind: string;
  readonly family: string;
  readonly model: string;
  readonly tolerance: Tolerance;
  /** Of a U-Net: what it is asked at, and the names of its inputs beside sample and timestep. */
  readonly timesteps?: readonly (number | readonly number[])[];
  readonly unet_call?: readonly string[];
  /** Of a pipeline. */
  readonly pipeline?: string;
  readonly scheduler?: { readonly _class_name: string };
}

type Golden = GoldenCase<ModelCase>;
type Models = GoldenArea<ModelCase>;

let device: Device;
beforeAll(async () => {
  device = await createDevice('cpu');
});
afterAll(() => device.dispose());

/** The checks of the kinds that are supported. */
const kinds: Readonly<Record<string, (golden: Golden, models: Models) => Promise<Check | string>>> = {
  text_encoder: checkTextEncoder,
  unet: checkUnet,
  vae: checkVae,
};

await testArea<ModelCase>('models', {
  traits: ({ kind, family, pipeline, scheduler }) => [
    { kind, family, ...(pipeline && { pipeline }), ...(scheduler && { scheduler: scheduler._class_name }) },
  ],
  check: (golden, models) =>
    kinds[golden.json.kind]?.(golden, models) ?? `cases of kind ${golden.json.kind} are not checked yet`,
});

/** A component's folder in the model of a case. */
async function componentOf({ json }: Golden, { index, path }: Models, component: string): Promise<Folder> {
  const { family, model } = json;
  // The format of the index: families[family].dirs[model] is a folder relative to the area's.
  const families = index.families as Readonly<Record<string, { dirs: Readonly<Record<string, string>> }>>;
  return openFolder(path(`${families[family]!.dirs[model]}/${component}`));
}

const loaded = new Map<string, Promise<unknown>>();

/** What `load` makes of a component's folder, loaded once for all cases; the reason if its config is not supported. */
async function loadOnce<Loaded extends object>(
  folder: Folder,
  load: (folder: Folder, options: { device: Device }) => Promise<Loaded>,
): Promise<Loaded | string> {
  // A folder holds one kind of component, so that one loader is all that it meets.
  const loading = (loaded.get(folder.name) as Promise<Loaded> | undefined) ?? load(folder, { device });
  loaded.set(folder.name, loading);
  return loading.catch((error: unknown) => {
    if (ConfigError.is(error)) return error.message;
    throw error;
  });
}

async function checkTextEncoder(golden: Golden, models: Models): Promise<Check | string> {
  // Families with several encoders number their cases.
  const component = golden.json.id.endsWith('2') ? 'text_encoder_2' : 'text_encoder';
  const encoder = await loadOnce(await componentOf(golden, models, component), loadTextEncoder);
  if (typeof encoder === 'string') return encoder;
  return async () => {
    const { tolerance } = golden.json;
    const ids = await golden.array('in.input_ids');
    const inputIds = tensor(Int32Array.from(ids.data, Number), ids.dims);
    const last = await encoder.encode({ inputIds });
    const penultimate = await encoder.encode({ inputIds, clipSkip: 1 });
    const outputs: readonly [name: string, actual: Tensor | undefined][] = [
      ['last_hidden_state', last.lastHiddenState],
      ['hidden_state_last_prenorm', last.hiddenState],
      ['penultimate', penultimate.hiddenState],
      ['pooled', last.pooled],
      ['text_embeds', last.textEmbeds],
    ];
    for (const [name, actual] of outputs) {
      if (!(await golden.has(name))) continue;
      if (!actual) throw new Error(`golden: the text encoder gives no "${name}".`);
      assertClose(name, actual, await golden.tensor(name), tolerance);
    }
  };
}

async function checkUnet(golden: Golden, models: Models): Promise<Check | string> {
  const { timesteps = [], unet_call = [], tolerance } = golden.json;
  if (unet_call.join() !== 'encoder_hidden_states') {
    return `the U-Net is called with [${unet_call.join(', ')}] and not with encoder_hidden_states alone`;
  }
  const unet = await loadOnce(await componentOf(golden, models, 'unet'), loadUnet);
  if (typeof unet === 'string') return unet;
  return async () => {
    const sample = await golden.tensor('in.sample');
    const encoderHiddenStates = await golden.tensor('in.encoder_hidden_states');
    const out = await golden.tensor('out');
    for (const [i, timestep] of timesteps.entries()) {
      const actual = await unet.predict({ sample, timestep, encoderHiddenStates });
      assertClose(`out at timestep ${timestep}`, actual, unstack(out, i), tolerance);
    }
  };
}

async function checkVae(golden: Golden, models: Models): Promise<Check | string> {
  const vae = await loadOnce(await componentOf(golden, models, 'vae'), loadVae);
  if (typeof vae === 'string') return vae;
  return async () => {
    const { tolerance } = golden.json;
    const pixels = await golden.tensor('in.image');
    const image = tensor(
      pixels.data.map((value) => (2 * value) / 255 - 1),
      pixels.dims,
    );
    const { mean, logvar } = await vae.encode(image);
    assertClose('mean', mean, await golden.tensor('mean'), tolerance);
    assertClose('logvar', logvar, await golden.tensor('logvar'), tolerance);
    const decoded = await vae.decode(await golden.tensor('in.z'));
    assertClose('decoded', decoded, await golden.tensor('decoded'), tolerance);
  };
}
