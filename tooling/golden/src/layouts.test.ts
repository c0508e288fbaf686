// The same weights in other layouts: what is read of a single file is what is read of the folder that it was written from.
import {
  type Folder,
  memoryFolder,
  openControlNetFile,
  openDiffusersFolder,
  openSingleFile,
  openWeights,
  readJson,
  readTensor,
} from '@emulsion/checkpoints';
import { goldenUrl, openFolderAt } from '@emulsion/testing';
import { describe, expect, test } from 'vitest';
import { type LdmFamily, ldmFile } from './ldm-file.ts';
import { controlNetFile, originalFile } from './original-file.ts';

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

describe.each(['sd3', 'flux'] as const)('%s as a single file', (family) => {
  const single = async (model: Folder, parts?: readonly string[]) =>
    openSingleFile(
      memoryFolder({ 'm.safetensors': await originalFile(model, family, parts) }, 'downloads'),
      'm.safetensors',
      { config: model },
    );

  test('has the weights and the configurations of the folder, with all its parts or the transformer alone', async () => {
    const model = await open(family);
    const { components: expected, className } = await openDiffusersFolder(model);
    for (const parts of [undefined, ['transformer']]) {
      const folder = await single(model, parts);
      const opened = await openDiffusersFolder(folder);
      expect(opened.className).toBe(className);
      expect(Object.keys(opened.components).toSorted()).toEqual(Object.keys(expected).toSorted());
      const networks = Object.keys(expected).filter((key) => /^(transformer|vae|text_encoder)/.test(key));
      expect(networks.length).toBeGreaterThan(3);
      for (const network of networks) {
        const [own, read] = [model.subfolder(network), folder.subfolder(network)];
        const [values, actual] = [await valuesOf(own), await valuesOf(read)];
        expect([...actual.keys()], network).toEqual([...values.keys()]);
        for (const [key, value] of actual) expect(value, key).toEqual(values.get(key));
        const { out_channels: _, ...config } = await readObject(own, 'config.json');
        expect(await readObject(read, 'config.json'), network).toMatchObject(config);
      }
      const path = 'scheduler/scheduler_config.json';
      expect(await readObject(folder, path)).toEqual(await readObject(model, path));
    }
  });

  test('without a configuration it has that of the published models, but for what only shapes tell', async () => {
    const model = await open(family);
    const file = memoryFolder({ 'm.safetensors': await originalFile(model, family) }, 'downloads');
    const tokenizers = memoryFolder(
      Object.fromEntries(
        await Promise.all(
          ['tokenizer_2', 'tokenizer_3'].flatMap((name) =>
            ['tokenizer.json', 'tokenizer_config.json'].map(
              async (path) =>
                [
                  `${name}/${path}`,
                  (await model.has(`${name}/${path}`)) ? await model.read(`${name}/${path}`) : '{}',
                ] as const,
            ),
          ),
        ),
      ),
    );
    const folder = await openSingleFile(file, 'm.safetensors', {
      config: tokenizers,
      tokenizer: model.subfolder('tokenizer'),
    });
    const measured = family === 'sd3' ? { attention_head_dim: 8, num_layers: 2 } : { guidance_embeds: true };
    expect(await readObject(folder, 'transformer/config.json')).toMatchObject(measured);
    const { scaling_factor, shift_factor } = await readObject(model, 'vae/config.json');
    expect(await readObject(folder, 'vae/config.json')).toMatchObject({ scaling_factor, shift_factor });
    expect(await readObject(folder, 'scheduler/scheduler_config.json')).toMatchObject({
      _class_name: 'FlowMatchEulerDiscreteScheduler',
      shift: 3,
    });
  });

  test('what neither the file nor a configuration has is said', async () => {
    const model = await open(family);
    const file = memoryFolder({ 'm.safetensors': await originalFile(model, family, ['transformer']) });
    await expect(openSingleFile(file, 'm.safetensors')).rejects.toThrow(
      'memory/m.safetensors: it lacks "vae", "text_encoder", "text_encoder_2". Give the folder of a model in diffusers layout that has them (config), or a file with all parts.',
    );
    const whole = memoryFolder({ 'm.safetensors': await originalFile(model, family) });
    const tokenizer = model.subfolder('tokenizer');
    await expect(openSingleFile(whole, 'm.safetensors', { tokenizer })).rejects.toThrow(
      'memory/m.safetensors: a model in a single file has no tokenizer. Give that of a model in diffusers layout which has that of T5 (config).',
    );
  });
});

test.each([
  ['in the names of its authors', 'control_model.'],
  ['in these names alone', ''],
  ['in the names of diffusers', undefined],
])(
  'a ControlNet as a single file, %s, has the weights and the configuration of its folder',
  async (_, prefix) => {
    const model = await open('controlnet');
    const bytes =
      prefix === undefined
        ? await model.read('diffusion_pytorch_model.safetensors')
        : await controlNetFile(model, prefix);
    const folder = await openControlNetFile(memoryFolder({ 'c.safetensors': bytes }), 'c.safetensors', {
      config: model,
    });
    expect(await valuesOf(folder)).toEqual(await valuesOf(model));
    const configs = { 'config.json': await model.read('config.json'), 'c.safetensors': bytes };
    const beside = await openControlNetFile(memoryFolder(configs), 'c.safetensors');
    expect(await readObject(beside, 'config.json')).toEqual(await readObject(folder, 'config.json'));
    const bare = await openControlNetFile(memoryFolder({ 'c.safetensors': bytes }), 'c.safetensors');
    const measured = await readObject(bare, 'config.json');
    const { _diffusers_version, norm_num_groups, attention_head_dim, ...config } = await readObject(
      model,
      'config.json',
    );
    expect(await readObject(folder, 'config.json')).toMatchObject(
      normalized({ ...config, norm_num_groups, attention_head_dim }),
    );
    for (const key of Object.keys(measured).filter((name) => name in config))
      expect(measured[key], key).toEqual(normalized(config)[key]);
    expect(measured).toMatchObject({ norm_num_groups: 32, attention_head_dim: 8 });
  },
);

test('a file with something else is no ControlNet', async () => {
  const model = memoryFolder({ 'm.safetensors': await ldmFile(await open('sd1'), 'sd1') });
  await expect(openControlNetFile(model, 'm.safetensors')).rejects.toThrow(
    'memory/m.safetensors: it is not a ControlNet: it has neither "input_hint_block.0.weight", with "control_model." before it or not, nor "controlnet_cond_embedding.conv_in.weight". Give a ControlNet with all its weights, or the folder of one in diffusers layout.',
  );
});

const readObject = async (folder: Folder, path: string) =>
  (await readJson(folder, path)) as Record<string, unknown>; // every configuration is an object

/** One number for all blocks is as good as a list. */
function normalized(json: Record<string, unknown>): Record<string, unknown> {
  const { transformer_layers_per_block: layers, block_out_channels: channels } = json;
  if (typeof layers !== 'number' || !Array.isArray(channels)) return json;
  return { ...json, transformer_layers_per_block: channels.map(() => layers) };
}
