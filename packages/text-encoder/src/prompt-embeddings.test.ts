import { type Folder, openSafetensors, readTensor } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { type Tensor, tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { PromptTooLongError } from './clip-tokens.ts';
import { joinTensors } from './join-tensors.ts';
import { EmbeddingMismatchError } from './prompt-embeddings.ts';
import { loadPromptEncoder, type PromptEncoder } from './prompt-encoder.ts';
import { loadSdxlPromptEncoder, type SdxlPromptEncoder } from './sdxl-prompt-encoder.ts';
import { loadFluxPromptEncoder } from './transformer-prompt-encoder.ts';

let device: Device;
let encoder: PromptEncoder;
let sdxl: SdxlPromptEncoder;
let adapters: Folder;
beforeAll(async () => {
  device = await createTestDevice();
  encoder = await loadPromptEncoder(await openFixture('golden/open/models/sd1'), { device });
  sdxl = await loadSdxlPromptEncoder(await openFixture('golden/open/models/sdxl'), { device });
  adapters = await openFixture('golden/open/adapters');
});
afterEach(() => {
  for (const { embeddings } of [encoder, sdxl]) for (const name of embeddings.names) embeddings.remove(name);
});
afterAll(() => device.dispose());

/** Vectors of a word of the model: an embedding that means what the word does. */
async function vectorsOf(model: string, word: string): Promise<Tensor> {
  const folder = await openFixture(`golden/open/models/${model}`);
  const weights = await openSafetensors(folder, 'text_encoder/model.safetensors');
  const weight = [...weights.values()].find(({ name }) => name.endsWith('token_embedding.weight'))!;
  const { data, dims } = await readTensor(folder, weight);
  const [id = 0, ...others] = encoder.tokenizer.encode(word).slice(1, -1);
  expect(others).toEqual([]);
  const width = dims[1]!;
  return tensor(data.slice(id * width, (id + 1) * width), [1, width]);
}

const largestDifference = (a: Tensor, b: Tensor) =>
  a.data.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b.data[i]!)), 0);

test('an embedding with the vector of a word means what the word does', async () => {
  encoder.embeddings.add({ name: '<own>', encoders: [{ vectors: await vectorsOf('sd1', 'a') }] });
  const [own, word] = [await encoder.encode(['<own> b, <own>']), await encoder.encode(['a b, a'])];
  expect(largestDifference(own, word)).toBeLessThan(1e-6);
});

test('strength takes effect without loading anything, and without embeddings all is as before', async () => {
  const before = await encoder.encode(['b <own>']);
  const { embeddings } = encoder;
  expect(embeddings.add({ name: '<own>', encoders: [{ vectors: await vectorsOf('sd1', 'a') }] })).toEqual([]);
  expect(embeddings.names).toEqual(['<own>']);
  const full = await encoder.encode(['b <own>']);
  embeddings.setStrength('<own>', 0.5);
  const half = await encoder.encode(['b <own>']);
  expect(largestDifference(full, half)).toBeGreaterThan(1e-3);
  embeddings.setStrength('<own>', 1);
  expect(await encoder.encode(['b <own>'])).toEqual(full);
  embeddings.remove('<own>');
  expect(embeddings.names).toEqual([]);
  expect(await encoder.encode(['b <own>'])).toEqual(before);
});

test('the vectors of a name count as tokens, and are never torn apart', async () => {
  encoder.embeddings.add({
    name: '<own>',
    encoders: [{ vectors: tensor(new Float32Array(64 * 32).fill(0.1), [64, 32]) }],
  });
  const words = 'a '.repeat(12);
  await expect(encoder.encode([`${words}<own> b`])).rejects.toThrow(
    'The prompt is 77 tokens long, this model reads 75: from "<own> b" on it would be ignored.',
  );
  await expect(encoder.encode([`${words}<own>`])).rejects.toThrow(PromptTooLongError);
  const cut = await encoder.encode([`${words}<own> b`], { truncatePrompt: true });
  expect(cut).toEqual(await encoder.encode([words]));
  await encoder.encode([`${'a '.repeat(11)}<own>`]);
});

test('XL reads the vectors that are for each of its encoders, together or from two files', async () => {
  const [left, right] = [
    tensor(new Float32Array(32).fill(0.2), [1, 32]),
    tensor(new Float32Array(40).fill(0.1), [1, 40]),
  ];
  const both = {
    name: '<own>',
    encoders: [
      { encoder: 'clip-g' as const, vectors: right },
      { encoder: 'clip-l' as const, vectors: left },
    ],
  };
  expect(sdxl.embeddings.add(both)).toEqual([]);
  const together = await sdxl.encode(['a <own>']);
  sdxl.embeddings.remove('<own>');
  expect(sdxl.embeddings.add({ name: '<own>', encoders: [{ vectors: left }] })).toEqual([
    'Embedding "<own>": text encoder 2 has no vectors in it, and reads its name as words.',
  ]);
  expect(await sdxl.encode(['a <own>'])).not.toEqual(together);
  expect(sdxl.embeddings.add({ name: '<own>', encoders: [{ vectors: right }] })).toEqual([]);
  expect(await sdxl.encode(['a <own>'])).toEqual(together);
  expect(sdxl.embeddings.names).toEqual(['<own>']);
});

test("XL encodes with an embedding what transformers' encoders do", async () => {
  const folder = await openFixture('embeddings');
  const arrays = await openSafetensors(folder, 'sdxl.safetensors');
  const array = (name: string) => readTensor(folder, arrays.get(name)!);
  const encoders = [
    { encoder: 'clip-l' as const, vectors: await array('clip_l') },
    { encoder: 'clip-g' as const, vectors: await array('clip_g') },
  ];
  sdxl.embeddings.add({ name: '<own>', encoders });
  const { promptEmbeds, pooledPromptEmbeds } = await sdxl.encode(['two <own>, a <own> on a table']);
  const hidden = [await array('clip_l.hidden_states'), await array('clip_g.hidden_states')];
  expect(largestDifference(promptEmbeds, joinTensors(hidden, 2))).toBeLessThan(2e-5);
  expect(largestDifference(pooledPromptEmbeds, await array('text_embeds'))).toBeLessThan(2e-5);
});

test("Flux takes CLIP's vectors, and says that T5's are not used", async () => {
  const flux = await loadFluxPromptEncoder(await openFixture('golden/open/models/flux'), { device });
  const before = await flux.encode(['<own>'], { maxSequenceLength: 8 });
  const encoders = [
    { encoder: 'clip-l' as const, vectors: tensor(new Float32Array(32).fill(0.3), [1, 32]) },
    { encoder: 't5' as const, vectors: zeros([1, 64]) },
  ];
  expect(flux.embeddings.add({ name: '<own>', encoders })).toEqual([
    'Embedding "<own>": its vectors for t5 are not used.',
    'Embedding "<own>": T5 reads its name as words.',
  ]);
  const after = await flux.encode(['<own>'], { maxSequenceLength: 8 });
  expect(after.pooledPromptEmbeds).not.toEqual(before.pooledPromptEmbeds);
  expect(after.promptEmbeds).toEqual(before.promptEmbeds);
  await flux.dispose();
});

test('what does not fit is refused, and leaves the others as they are', async () => {
  const { embeddings } = encoder;
  const own = { name: '<own>', encoders: [{ vectors: await vectorsOf('sd1', 'a') }] };
  embeddings.add(own);
  const before = await encoder.encode(['<own>']);
  const wide = { name: 'wide', encoders: [{ vectors: zeros([2, 768]) }] };
  expect(() => embeddings.add(wide)).toThrow(EmbeddingMismatchError);
  expect(() => embeddings.add(wide)).toThrow(
    'Embedding "wide": its vectors are 768 wide, those of this model\'s text encoder 32. Use one that was trained for this kind of model.',
  );
  expect(() => sdxl.embeddings.add(wide)).toThrow("those of this model's text encoders 32 and 40.");
  expect(() => embeddings.add({ ...own, name: '<OWN>' })).toThrow(
    'Embedding "<OWN>": there is one of this name already. Remove that first, or give this one another name.',
  );
  expect(() => embeddings.add({ ...own, name: 'new' }, { strength: Number.NaN })).toThrow(
    'Embedding "new": its strength is NaN. Give a number; 1 is as it was trained.',
  );
  expect(() => embeddings.setStrength('<own>', Number.POSITIVE_INFINITY)).toThrow(
    'its strength is Infinity.',
  );
  expect(() => embeddings.add({ name: 'none', encoders: [{ vectors: zeros([0, 32]) }] })).toThrow(
    'Embedding "none": its vectors are [0, 32]; [vectors, width] is wanted, with at least one.',
  );
  const broken = tensor(new Float32Array(32).fill(Number.NaN), [1, 32]);
  expect(() => embeddings.add({ name: 'broken', encoders: [{ vectors: broken }] })).toThrow(
    'Embedding "broken": its vectors have elements that are not finite numbers. The training went wrong, or the file is damaged.',
  );
  expect(() => embeddings.remove('other')).toThrow('Embedding "other" was not added. There are: <own>.');
  expect(() => sdxl.embeddings.setStrength('other', 1)).toThrow(
    'Embedding "other" was not added. There is none.',
  );
  expect(embeddings.names).toEqual(['<own>']);
  expect(await encoder.encode(['<own>'])).toEqual(before);
});

test('a graph that was exported takes embeddings too', async () => {
  const exported = await loadPromptEncoder(await openFixture('golden/open/onnx/sd1-onnx'), { device });
  const vectors = await readTensor(
    adapters,
    (await openSafetensors(adapters, 'textual_inversion.safetensors')).get('ti3.embedding')!,
  );
  const embedding = { name: '<own>', encoders: [{ vectors }] };
  for (const { embeddings } of [encoder, exported]) embeddings.add(embedding, { strength: 0.7 });
  const prompts = ['a <own> b', 'no name'];
  expect(largestDifference(await exported.encode(prompts), await encoder.encode(prompts))).toBeLessThan(1e-4);
  expect(
    largestDifference(await exported.encode(prompts, { clipSkip: 1 }), await encoder.encode(prompts)),
  ).toBeGreaterThan(1e-2);
  await exported.dispose();
});
