import {
  type Folder,
  memoryFolder,
  openSafetensors,
  readTensor,
  writeSafetensors,
} from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let folder: Folder;
let pipeline: Pipeline;
beforeAll(async () => {
  device = await createTestDevice();
  folder = (await openFixture('golden/open/adapters')).subfolder('files');
  pipeline = await loadPipeline(await openFixture('golden/open/models/sd1'), { device });
});
afterAll(() => device.dispose());

const own = { path: 'ti_my-emb3_diffusers.bin' };

/** What is painted now of a prompt, one step. */
async function paint(prompt = 'a photo of <my-emb3>'): Promise<Tensor> {
  const size = { width: 64, height: 64, numInferenceSteps: 1 };
  return (await pipeline({ prompt, seed: 3, ...size, scheduler: 'euler' })).latents;
}

test('an embedding is told by what its file holds, and goes by the token in it', async () => {
  const { adapters } = pipeline;
  const plain = await paint();
  const info = await adapters.add({ folder, ...own });
  expect(info).toMatchObject({ name: '<my-emb3>', kind: 'embedding', strength: 1, notes: [] });
  expect(info.report).toMatchObject({ matched: ['<my-emb3>'], unmatched: [], unused: [], targets: [] });
  expect(adapters.list()).toEqual([info]);
  const named = await paint();
  expect(named).not.toEqual(plain);
  await adapters.remove('<my-emb3>');
  expect(adapters.list()).toEqual([]);
  expect(await paint()).toEqual(plain);
});

test('its strength is a factor on its vectors, from the next prompt on', async () => {
  const { adapters } = pipeline;
  const full = await adapters.add({ folder, ...own }, { name: 'thing' }).then(() => paint('a thing'));
  adapters.set('thing', 0.5);
  const half = await paint('a thing');
  expect(half).not.toEqual(full);
  adapters.set('thing', (progress) => 1 - progress);
  expect(await paint('a thing')).toEqual(full);
  await adapters.remove('thing');
  await adapters.add({ folder, ...own }, { name: 'thing', strength: 0.5 });
  expect(await paint('a thing')).toEqual(half);
  await adapters.remove('thing');
});

test('a LoRA and an embedding are there together, and the embedding that a LoRA brings comes and goes with it', async () => {
  const { adapters } = pipeline;
  const stored = await openSafetensors(folder, 'lora_diffusers.safetensors');
  const tensors: Record<string, Tensor> = {
    'bundle_emb.pivot.string_to_param.*': tensor(new Float32Array(32).fill(0.2), [1, 32]),
  };
  for (const weight of stored.values()) tensors[weight.name] = await readTensor(folder, weight);
  const bundle = memoryFolder({ 'style.safetensors': writeSafetensors(tensors) });
  await adapters.add({ folder, ...own });
  const alone = await paint('a <my-emb3> pivot');
  const { notes } = await adapters.add({ folder: bundle, path: 'style.safetensors' }, { strength: 0 });
  expect(notes).toEqual(['It brings an embedding, which prompts name by "pivot".']);
  expect(pipeline.promptEncoder.embeddings.names).toEqual(['<my-emb3>', 'pivot']);
  expect(await paint('a <my-emb3> pivot')).not.toEqual(alone);
  await adapters.remove('style');
  expect(pipeline.promptEncoder.embeddings.names).toEqual(['<my-emb3>']);
  expect(await paint('a <my-emb3> pivot')).toEqual(alone);
  await adapters.remove('<my-emb3>');
});

test('what does not fit is refused in a sentence, and the pipeline paints as before', async () => {
  const { adapters } = pipeline;
  await adapters.add({ folder, ...own });
  const before = await paint();
  const wide = writeSafetensors({ '<wide>': tensor(new Float32Array(768), [768]) });
  const broken = writeSafetensors({ '<nan>': tensor(new Float32Array(32).fill(Number.NaN), [32]) });
  const others = memoryFolder({ 'wide.safetensors': wide, 'nan.safetensors': broken });
  const refused = async (action: () => unknown, message: string) => {
    await expect((async () => action())()).rejects.toThrow(message);
    expect(adapters.list().map(({ name }) => name)).toEqual(['<my-emb3>']);
    expect(pipeline.promptEncoder.embeddings.names).toEqual(['<my-emb3>']);
  };
  await refused(
    () => adapters.add({ folder: others, path: 'wide.safetensors' }),
    'Embedding "<wide>": its vectors are 768 wide, those of this model\'s text encoder 32.',
  );
  await refused(
    () => adapters.add({ folder: others, path: 'nan.safetensors' }),
    'Embedding "<nan>": its vectors have elements that are not finite numbers.',
  );
  await refused(() => adapters.add({ folder, ...own }), 'adapters: there is a "<my-emb3>" already.');
  await refused(
    () => adapters.add({ folder, ...own }, { name: '<MY-emb3>' }),
    'Embedding "<MY-emb3>": there is one of this name already.',
  );
  await refused(
    () => adapters.add({ folder, ...own }, { name: 'x', strength: () => Number.NaN }),
    'adapters: the strength of "x" is NaN.',
  );
  await refused(
    () => adapters.set('<my-emb3>', () => Number.NaN),
    'adapters: the strength of "<my-emb3>" is NaN.',
  );
  await refused(
    () => adapters.set('<my-emb3>', { weights: { textEncoder: 1 } }),
    'adapters: "<my-emb3>" has one strength for all of the model. Leave weights out.',
  );
  expect(await paint()).toEqual(before);
  await adapters.remove('<my-emb3>');
});
