import {
  type Folder,
  memoryFolder,
  openSafetensors,
  readTensor,
  writeSafetensors,
} from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { loadUnet } from '@emulsion/unet';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Adapters } from './adapters.ts';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let folder: Folder;
let pipeline: Pipeline;
let adapters: Adapters;
beforeAll(async () => {
  device = await createTestDevice();
  folder = (await openFixture('golden/open/adapters/files')) satisfies Folder;
  pipeline = await loadPipeline(await openFixture('golden/open/models/sd1'), { device });
  adapters = pipeline.adapters;
});
afterAll(() => device.dispose());

const file = (name: string) => ({ folder, path: `${name}.safetensors` });

/** What is painted now, two steps. */
async function paint(own = pipeline): Promise<Tensor> {
  const { latents } = await own({
    prompt: 'a photo of a cat',
    seed: 3,
    width: 64,
    height: 64,
    numInferenceSteps: 2,
    scheduler: 'euler',
    outputType: 'latent',
    truncatePrompt: true,
  });
  return latents;
}

function worst(some: Tensor, others: Tensor): number {
  return some.data.reduce((max, value, i) => Math.max(max, Math.abs(value - others.data[i]!)), 0);
}

test('an adapter changes the picture, at strength 0 and once removed not a bit of it', async () => {
  const plain = await paint();
  const info = await adapters.add(file('lora_diffusers'), { strength: 0.7 });
  expect(info).toMatchObject({ name: 'lora_diffusers', kind: 'lora', strength: 0.7, notes: [] });
  expect(info.report.unmatched).toEqual([]);
  expect(adapters.list()).toEqual([info]);
  expect(worst(await paint(), plain)).toBeGreaterThan(0.01);
  adapters.set('lora_diffusers', 0);
  expect((await paint()).data).toEqual(plain.data);
  adapters.set('lora_diffusers', 1.5);
  await adapters.remove('lora_diffusers');
  expect(adapters.list()).toEqual([]);
  expect((await paint()).data).toEqual(plain.data);
});

test('two adapters give the same in any order, also where convolutions are changed', async () => {
  const pictures: Tensor[] = [];
  for (const order of [
    ['lora_kohya', 'lora_kohya_conv'],
    ['lora_kohya_conv', 'lora_kohya'],
  ]) {
    for (const name of order) await adapters.add(file(name), { strength: 0.6 });
    pictures.push(await paint());
    for (const name of order) await adapters.remove(name);
  }
  expect(worst(pictures[0]!, pictures[1]!)).toBeLessThan(1e-4);
});

test('parts of the model are weighted on their own, and the strength changes over the steps', async () => {
  const plain = await paint();
  await adapters.add(file('lora_diffusers'), { name: 'cat', weights: { unet: 0, textEncoder: 0 } });
  expect((await paint()).data).toEqual(plain.data);
  adapters.set('cat', { weights: { unet: 0, 'unet.mid_block': 1, textEncoder: 0 } });
  const middle = worst(await paint(), plain);
  expect(middle).toBeGreaterThan(0);
  adapters.set('cat', { weights: {} });
  const asked: number[] = [];
  adapters.set('cat', (progress) => {
    asked.push(progress);
    return progress < 0.5 ? 0 : 1;
  });
  const late = await paint();
  expect([...new Set(asked)].sort()).toEqual([0, 0.5]);
  expect(worst(late, plain)).toBeGreaterThan(0);
  await adapters.remove('cat');
});

test('what makes no sense is refused in a sentence, and the pipeline paints as before', async () => {
  const { name } = await adapters.add(file('lora_kohya'));
  const before = await paint();
  const refused = async (action: () => unknown, message: string | RegExp) => {
    await expect((async () => action())()).rejects.toThrow(message);
    expect(adapters.list().map((info) => info.name)).toEqual([name]);
  };
  await refused(
    () => adapters.add(file('lora_diffusers'), { strength: Number.NaN }),
    'adapters: the strength of "lora_diffusers" is NaN. Give a finite number; 1 is as trained.',
  );
  await refused(
    () => adapters.set(name, Number.POSITIVE_INFINITY),
    'adapters: the strength of "lora_kohya" is Infinity. Give a finite number; 1 is as trained.',
  );
  await refused(
    () => adapters.add(file('lora_kohya')),
    'adapters: there is a "lora_kohya" already. Give another name, or remove that one first.',
  );
  await refused(() => adapters.set('cat', 1), 'adapters: there is no "cat". There are "lora_kohya".');
  await refused(() => adapters.remove('cat'), 'adapters: there is no "cat". There are "lora_kohya".');
  await refused(
    () => adapters.set(name, { weights: { 'unet.down_blocks.9': 1 } }),
    'adapters: "lora_kohya" changes nothing in "unet.down_blocks.9". Give a component of textEncoder, unet, or a path in one.',
  );
  await refused(() => adapters.add(file('none')), /none\.safetensors/);
  const stored = await openSafetensors(folder, 'lora_diffusers.safetensors');
  const bytes = await folder.read('lora_diffusers.safetensors');
  const cut = memoryFolder({ 'cut.safetensors': bytes.subarray(0, bytes.length - 100) });
  await refused(() => adapters.add({ folder: cut, path: 'cut.safetensors' }), /cut\.safetensors/);
  const wide: Record<string, Tensor> = {};
  for (const weight of stored.values()) {
    const { dims, data } = await readTensor(folder, weight);
    const isDown = weight.name.endsWith('lora_A.weight');
    wide[weight.name] = isDown
      ? tensor(Float32Array.from([...data, ...data]), [dims[0]!, 2 * dims[1]!])
      : tensor(data, dims);
  }
  const other = memoryFolder({ 'other.safetensors': writeSafetensors(wide) });
  await refused(
    () => adapters.add({ folder: other, path: 'other.safetensors' }),
    /is for a weight of \[\d+, \d+\]/,
  );
  expect((await paint()).data).toEqual(before.data);
  await adapters.remove(name);
});

test('changes as large as the weight and of biases, norms and convolutions are live, folded and exported the same', async () => {
  const rng = createRng({ kind: 'torch-cpu', seed: 0 });
  if (!('unet' in pipeline)) throw new Error('the fixture has a U-Net');
  const { weights } = pipeline.unet;
  const changed = [
    'down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight',
    'down_blocks.0.resnets.0.conv1.weight',
    'down_blocks.0.resnets.0.conv1.bias',
    'down_blocks.0.resnets.0.norm1.weight',
    'mid_block.attentions.0.transformer_blocks.0.norm1.bias',
  ];
  const diffs = changed.map((name) => {
    const noise = rng.normal(weights.get(name)!.dims);
    return [
      name,
      tensor(
        noise.data.map((value) => value * 0.05),
        noise.dims,
      ),
    ] as const;
  });
  const lora = Object.fromEntries(
    diffs.map(([name, diff]) => {
      const module = name.replace(/\.(weight|bias)$/, '').replaceAll('.', '_');
      const isNorm = /norm/.test(name);
      const part = name.endsWith('bias') ? (isNorm ? 'b_norm' : 'diff_b') : isNorm ? 'w_norm' : 'diff';
      return [`lora_unet_${module}.${part}`, diff];
    }),
  );
  const inputs = {
    sample: rng.normal([1, 4, 8, 8]),
    encoderHiddenStates: rng.normal([1, 77, 32]),
    timestep: 300,
  };
  const plain = await pipeline.unet.predict(inputs);
  const source = {
    folder: memoryFolder({ 'diff.safetensors': writeSafetensors(lora) }),
    path: 'diff.safetensors',
  };
  const { report } = await adapters.add(source, { strength: 0.5 });
  expect(report.matched).toHaveLength(changed.length);
  const live = await pipeline.unet.predict(inputs);
  expect(worst(live, plain)).toBeGreaterThan(1e-3);
  adapters.set('diff', 0);
  expect((await pipeline.unet.predict(inputs)).data).toEqual(plain.data);
  adapters.set('diff', 0.5);
  const exported = await bytesOf(adapters.export('unet'));
  expect(await adapters.merge()).toEqual(['diff']);
  expect(adapters.list()).toEqual([]);
  expect(worst(await pipeline.unet.predict(inputs), live)).toBeLessThan(1e-4);
  const stored = await openFixture('golden/open/models/sd1/unet');
  const unet = await loadUnet(
    memoryFolder({
      'config.json': await stored.read('config.json'),
      'diffusion_pytorch_model.safetensors': exported,
    }),
    { device },
  );
  expect(worst(await unet.predict(inputs), live)).toBeLessThan(1e-4);
  await unet.dispose();
});

test('LoRAs that are folded into the weights paint what they painted live', async () => {
  const own = await loadPipeline(await openFixture('golden/open/models/sd1'), { device });
  await own.adapters.add(file('lora_diffusers'), { strength: 0.8 });
  await own.adapters.add(file('lora_kohya'), { strength: -0.4 });
  const live = await paint(own);
  await own.adapters.set('lora_kohya', (progress) => progress);
  await expect(own.adapters.merge()).rejects.toThrow(
    'adapters: the strength of "lora_kohya" changes over the steps, and cannot be folded into weights. Set a number first.',
  );
  await own.adapters.set('lora_kohya', -0.4);
  expect(await own.adapters.merge()).toEqual(['lora_diffusers', 'lora_kohya']);
  expect(worst(await paint(own), live)).toBeLessThan(1e-4);
  await expect(bytesOf(own.adapters.export('transformer'))).rejects.toThrow(
    'adapters: there is no component "transformer". Give one of unet, textEncoder.',
  );
  await own.dispose();
});

test('where the weights of a network cannot be read, nothing is folded', async () => {
  const { own, textEncoder } = await foldable();
  const plain = await paint(own);
  await own.adapters.add(file('lora_kohya'));
  const live = await paint(own);
  vi.spyOn(textEncoder, 'readWeight').mockRejectedValueOnce(new Error('the file is gone'));
  await expect(own.adapters.merge()).rejects.toThrow('the file is gone');
  expect((await paint(own)).data).toEqual(live.data);
  await own.adapters.remove('lora_kohya');
  expect((await paint(own)).data).toEqual(plain.data);
  await own.dispose();
});

test('where a network cannot be loaded anew, nothing is applied twice, and the rest can be folded later', async () => {
  const { own, unet, textEncoder } = await foldable();
  await own.adapters.add(file('lora_kohya'), { strength: 0.8 });
  const live = await paint(own);
  const failure = new Error('out of memory');
  vi.spyOn(textEncoder, 'replaceWeights').mockRejectedValueOnce(failure);
  await expect(own.adapters.merge()).rejects.toThrow(failure);
  expect(own.adapters.list()).toMatchObject([{ name: 'lora_kohya', strength: 0.8 }]);
  expect(worst(await paint(own), live)).toBeLessThan(1e-4);
  await own.adapters.add(file('lora_diffusers'), { strength: 0 });
  expect(worst(await paint(own), live)).toBeLessThan(1e-4);
  own.adapters.set('lora_kohya', 0);
  expect(worst(await paint(own), live)).toBeGreaterThan(1e-4);
  own.adapters.set('lora_kohya', 0.8);
  await own.adapters.remove('lora_diffusers');
  expect(await own.adapters.merge()).toEqual(['lora_kohya']);
  expect(own.adapters.list()).toEqual([]);
  expect(worst(await paint(own), live)).toBeLessThan(1e-4);

  // The weights are replaced before they are loaded, which may fail.
  await own.adapters.add(file('lora_diffusers'));
  const both = await paint(own);
  const { replaceWeights } = unet;
  vi.spyOn(unet, 'replaceWeights').mockImplementationOnce(async (weights) => {
    await replaceWeights(weights);
    throw failure;
  });
  await expect(own.adapters.merge()).rejects.toThrow(failure);
  expect(worst(await paint(own), both)).toBeLessThan(1e-4);
  await own.dispose();
});

/** A pipeline of its own, and its networks. */
async function foldable() {
  const own = await loadPipeline(await openFixture('golden/open/models/sd1'), { device });
  if (!('unet' in own) || !('textEncoder' in own.promptEncoder))
    throw new Error('The model has one of each.');
  return { own, unet: own.unet, textEncoder: own.promptEncoder.textEncoder };
}

async function bytesOf(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part);
  return new Uint8Array(await new Blob(all as Uint8Array<ArrayBuffer>[]).arrayBuffer()); // none shares memory
}
