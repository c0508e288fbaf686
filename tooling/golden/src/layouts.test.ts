// The same weights in other layouts: what is read of a single file is what is read of the folder that it was written from.
import {
  type Folder,
  memoryFolder,
  openDiffusersFolder,
  openSingleFile,
  openWeights,
  readJson,
  readTensor,
} from '@emulsion/checkpoints';
import { goldenUrl, openFolderAt } from '@emulsion/testing';
import { describe, expect, test } from 'vitest';
import { type LdmFamily, ldmFile } from './ldm-file.ts';

/** Models by family; inpainting models have nothing but a U-Net of their own. */
const models: readonly [name: string, family: LdmFamily, unet: string | undefined][] = [
  ['sd1', 'sd1', undefined],
  ['sd2', 'sd2', undefined],
  ['sdxl', 'sdxl', undefined],
  ['sdxl', 'sdxl-refiner', undefined],
  ['sd1', 'sd1', 'inpaint9'],
  ['sd1', 'sd1', 'ip2p'],
];

const open = (path: string) => openFolderAt(new URL(`models/${path}/`, goldenUrl));

async function openPair(name: string, family: LdmFamily, unet: string | undefined) {
  const model = await open(name);
  const unetFolder = unet === undefined ? undefined : (await open(unet)).subfolder('unet');
  const file = memoryFolder({ 'm.safetensors': await ldmFile(model, family, unetFolder) }, 'downloads');
  const single = await openSingleFile(file, 'm.safetensors', { config: model });
  return { model, unetFolder, single };
}

/** Names, shapes and values of a component's weights. */
async function valuesOf(folder: Folder) {
  const values = new Map<string, { dims: readonly number[]; data: Float32Array }>();
  for (const [name, weight] of await openWeights(folder)) {
    const { dims, data } = await readTensor(folder, weight);
    // Newer transformers leave out the prefix.
    values.set(name.replace(/^text_model\./, ''), { dims, data });
  }
  return new Map([...values].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

describe.each(models)('%s as a single file (%s, U-Net of %s)', (name, family, unet) => {
  test('has the weights of the folder under their names', async () => {
    const { model, unetFolder, single } = await openPair(name, family, unet);
    const { components } = await openDiffusersFolder(single);
    const networks = Object.keys(components).filter((key) => /^(unet|vae|text_encoder(_2)?)$/.test(key));
    expect(networks).toHaveLength(family === 'sdxl' ? 4 : 3);
    for (const network of networks) {
      const folder = network === 'unet' && unetFolder ? unetFolder : model.subfolder(network);
      const [expected, actual] = [await valuesOf(folder), await valuesOf(single.subfolder(network))];
      expect([...actual.keys()], network).toEqual([...expected.keys()]);
      for (const [key, value] of actual) expect(value.data, key).toEqual(expected.get(key)!.data);
    }
  });

  test('has the configurations of the folder', async () => {
    const { model, unetFolder, single } = await openPair(name, family, unet);
    for (const path of ['unet/config.json', 'vae/config.json', 'scheduler/scheduler_config.json']) {
      const own = path.startsWith('unet') ? unetFolder : undefined;
      const { _diffusers_version, ...expected } = await readObject(own ?? model, own ? 'config.json' : path);
      const actual = await readObject(single, path);
      // Groups and heads are not told by shapes: they are those of the folder that was given.
      const { norm_num_groups, attention_head_dim } = actual;
      const given = own ? { norm_num_groups, attention_head_dim } : {};
      expect(actual, path).toMatchObject({ ...normalized(expected), ...given });
    }
  });
});

const readObject = async (folder: Folder, path: string) =>
  (await readJson(folder, path)) as Record<string, unknown>; // every configuration is an object

/** One number for all blocks is as good as a list. */
function normalized(json: Record<string, unknown>): Record<string, unknown> {
  const { transformer_layers_per_block: layers, block_out_channels: channels } = json;
  if (typeof layers !== 'number' || !Array.isArray(channels)) return json;
  return { ...json, transformer_layers_per_block: channels.map(() => layers) };
}
