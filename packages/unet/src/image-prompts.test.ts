import { type Folder, openSafetensors, readTensor, type Weight, type Weights } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { cpuOps, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crossAttentionLayers, type ImagePrompt } from './image-prompts.ts';
import { loadUnet, type Unet } from './load-unet.ts';

let device: Device;
let recorded: Folder;
let unet: Unet;
let xl: Unet;
beforeAll(async () => {
  device = await createTestDevice();
  recorded = await openFixture('image-adapters');
  unet = await loadUnet(await openFixture('golden/open/models/sd1/unet'), { device });
  xl = await loadUnet(await openFixture('golden/open/models/sdxl/unet'), { device });
});
afterAll(() => device.dispose());

async function expected(name: string): Promise<Tensor> {
  const weights = await openSafetensors(recorded, 'expected.safetensors');
  return readTensor(recorded, weights.get(name)!);
}

/** The U-Net's part of an IP-Adapter. */
async function adapterOf(file: string): Promise<Weights> {
  const attention = new Map<string, Weight>();
  for (const [name, weight] of await openSafetensors(recorded, file)) {
    if (name.startsWith('ip_adapter.')) attention.set(name.slice('ip_adapter.'.length), weight);
  }
  return attention;
}

/** Tokens of pictures beside each other, for two samples. */
async function tokensOf(...names: readonly string[]): Promise<Tensor> {
  const tokens = await Promise.all(names.map((name) => expected(`tokens.${name}`)));
  return cpuOps.concat(Array.from({ length: 2 }, () => cpuOps.concat(tokens, 1)));
}

const inputs = async () => ({
  sample: await expected('unet.sample'),
  timestep: 500,
  encoderHiddenStates: await expected('unet.text'),
});

const features = async (name: string, count: number, scale = 1) =>
  Promise.all(
    Array.from({ length: count }, async (_, i) =>
      cpuOps.affine(await expected(`t2i.${name}.feature_${i}`), scale, 0),
    ),
  );

function expectClose(actual: Tensor, wanted: Tensor): void {
  expect(actual.dims).toEqual(wanted.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - wanted.data[i]!)), 0);
  expect(worst).toBeLessThan(1e-4);
}

const scales = [0, 0.25, 0.5, 1, 1.5, 2];
const onePrompt = async (attention: Weights): Promise<ImagePrompt> => ({
  attention,
  tokens: await tokensOf('plain.wide', 'plain.high'),
  scale: 0.6,
});

test('pictures are attended to beside the text, with a scale for all layers or each', async () => {
  const asked = await inputs();
  expectClose(await unet.predict(asked), await expected('unet.plain'));
  const one = await onePrompt(await adapterOf('ip-adapter_sd1.safetensors'));
  expectClose(await unet.predict({ ...asked, imagePrompts: [one] }), await expected('unet.ip'));
  const two = {
    attention: await adapterOf('ip-adapter-plus_sd1.safetensors'),
    tokens: await tokensOf('plus.wide'),
    scale: scales,
  };
  expectClose(await unet.predict({ ...asked, imagePrompts: [two] }), await expected('unet.ip_scales'));
  const both = await unet.predict({
    ...asked,
    imagePrompts: [one, two],
    adapterFeatures: await features('full', 2),
  });
  expectClose(both, await expected('unet.ip_both'));
});

test('a picture that counts nothing changes not a bit, and neither does one that was', async () => {
  const asked = await inputs();
  const fresh = await loadUnet(await openFixture('golden/open/models/sd1/unet'), { device });
  const plain = await fresh.predict(asked);
  const one = await onePrompt(await adapterOf('ip-adapter_sd1.safetensors'));
  expect(await fresh.predict({ ...asked, imagePrompts: [{ ...one, scale: 0 }] })).toEqual(plain);
  expect(await fresh.predict({ ...asked, imagePrompts: [one] })).not.toEqual(plain);
  expect(await fresh.predict(asked)).toEqual(plain);
  await fresh.dispose();
});

test('pictures count where their masks say', async () => {
  const attention = await adapterOf('ip-adapter_sd1.safetensors');
  const mask = await expected('unet.mask');
  const output = await unet.predict({
    ...(await inputs()),
    imagePrompts: [
      { attention, tokens: await tokensOf('plain.wide'), scale: 0.8, mask },
      { attention, tokens: await tokensOf('plain.high'), scale: 0.4, mask: cpuOps.affine(mask, -1, 1) },
    ],
  });
  expectClose(output, await expected('unet.ip_masked'));
});

test('features of T2I-Adapters are added on the way down, in pictures of odd sizes too', async () => {
  const asked = await inputs();
  const led = await unet.predict({ ...asked, adapterFeatures: await features('full', 2, 0.7) });
  expectClose(led, await expected('unet.t2i'));
  const odd = { ...asked, sample: await expected('unet.odd') };
  const oddFeatures = await features('odd', 2);
  expectClose(await unet.predict({ ...odd, adapterFeatures: oddFeatures }), await expected('unet.t2i_odd'));
  // Once there were features, none are the same as zeros.
  expectClose(await unet.predict(asked), await expected('unet.plain'));
});

test('Stable Diffusion XL takes both, with features for its middle', async () => {
  const asked = {
    ...(await inputs()),
    encoderHiddenStates: await expected('unet.xl.text'),
    addedConditions: {
      textEmbeds: await expected('unet.xl.text_embeds'),
      timeIds: await expected('unet.xl.time_ids'),
    },
  };
  const attention = await adapterOf('ip-adapter_sdxl.safetensors');
  const prompt = { attention, tokens: await tokensOf('xl.wide'), scale: 0.7 };
  expectClose(await xl.predict({ ...asked, imagePrompts: [prompt] }), await expected('unet.xl.ip'));
  const fresh = await loadUnet(await openFixture('golden/open/models/sdxl/unet'), { device });
  const adapterFeatures = [...(await features('xl', 2)), await expected('unet.xl.middle')];
  expectClose(await fresh.predict({ ...asked, adapterFeatures }), await expected('unet.xl.t2i'));
  await fresh.dispose();
});

test('layers are numbered as published adapters number them: down, up, middle', () => {
  const paths = crossAttentionLayers(xl.config).map(({ path }) => path);
  expect(paths).toHaveLength(8);
  expect(paths[0]).toBe('down_blocks.1.attentions.0.transformer_blocks.0.attn2');
  expect(paths[2]).toBe('up_blocks.0.attentions.0.transformer_blocks.0.attn2');
  expect(paths[7]).toBe('mid_block.attentions.0.transformer_blocks.1.attn2');
});

test('adapters for another model are refused with what is wanted', async () => {
  const asked = await inputs();
  const predict = (imagePrompts: ImagePrompt[]) => unet.predict({ ...asked, imagePrompts });
  const tokens = await tokensOf('plain.wide');
  await expect(
    predict([{ attention: await adapterOf('ip-adapter_sdxl.safetensors'), tokens }]),
  ).rejects.toThrow(
    'ip-adapter: "1.to_k_ip.weight" is [16, 72], for down_blocks.0.attentions.0.transformer_blocks.0.attn2 of this U-Net it must be [16, 32]. Use an IP-Adapter that was trained for this model.',
  );
  const attention = await adapterOf('ip-adapter_sd1.safetensors');
  const short = new Map([...attention].filter(([name]) => !name.startsWith('7.')));
  await expect(predict([{ attention: short, tokens }])).rejects.toThrow('"7.to_k_ip.weight" is missing');
  const long = new Map(attention).set('13.to_k_ip.weight', attention.get('1.to_k_ip.weight')!);
  await expect(predict([{ attention: long, tokens }])).rejects.toThrow(
    'ip-adapter: it has a "13.to_k_ip.weight", and this U-Net only 6 layers that attend to the text.',
  );
  await expect(predict([{ attention, tokens: zeros([2, 4, 72]) }])).rejects.toThrow(
    'unet: "imagePrompts[0].tokens" is [2, 4, 72], this model takes [2, any, 32]. Use an IP-Adapter that was trained for it.',
  );
  await expect(predict([{ attention, tokens, scale: [1, 2] }])).rejects.toThrow(
    'ip-adapter: the scale is [1, 2]; one number for all layers is wanted, or one for each of 6.',
  );
  await expect(unet.predict({ ...asked, adapterFeatures: await features('xl', 2) })).rejects.toThrow(
    "unet: feature 0 of a T2I-Adapter is [1, 8, 4, 4], this model takes [1 or 2, 16, 8, 8] for such samples. Use a T2I-Adapter that was trained for this model, and a picture of the painting's size.",
  );
  await expect(unet.predict({ ...asked, adapterFeatures: await features('deep', 4) })).rejects.toThrow(
    'unet: 4 features of a T2I-Adapter came for 2 blocks and the middle. Use a T2I-Adapter that was trained for this model.',
  );
});
