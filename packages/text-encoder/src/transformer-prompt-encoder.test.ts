import { type Folder, memoryFolder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PromptTooLongError } from './clip-tokens.ts';
import { joinTensors, padLastAxis } from './join-tensors.ts';
import { loadFluxPromptEncoder, loadSd3PromptEncoder } from './transformer-prompt-encoder.ts';

let device: Device;
let sd3: Folder;
beforeAll(async () => {
  device = await createTestDevice();
  sd3 = await openFixture('golden/open/models/sd3');
});
afterAll(() => device.dispose());

test('without its T5, Stable Diffusion 3 has zeros for it, and narrow tokens are filled up', async () => {
  const files: Record<string, Uint8Array> = {};
  for (const part of ['', '_2']) {
    for (const name of ['config.json', 'model.safetensors'])
      files[`text_encoder${part}/${name}`] = await sd3.read(`text_encoder${part}/${name}`);
    for (const name of ['vocab.json', 'merges.txt', 'tokenizer_config.json'])
      files[`tokenizer${part}/${name}`] = await sd3.read(`tokenizer${part}/${name}`);
  }
  const encoder = await loadSd3PromptEncoder(memoryFolder(files), { device, textFeatures: 70 });
  const { promptEmbeds, pooledPromptEmbeds } = await encoder.encode(['a cat', 'a dog'], {
    maxSequenceLength: 5,
  });
  expect(promptEmbeds.dims).toEqual([2, 77 + 5, 70]);
  expect(pooledPromptEmbeds.dims).toEqual([2, 64]);
  const row = (index: number) => promptEmbeds.data.subarray(index * 70, (index + 1) * 70);
  expect(row(76).subarray(64)).toEqual(new Float32Array(6));
  expect(row(76).some((value) => value !== 0)).toBe(true);
  expect(row(77)).toEqual(new Float32Array(70));
  // There is nobody who reads on.
  const long = 'a cat '.repeat(40);
  await expect(encoder.encode([long])).rejects.toThrow(PromptTooLongError);
  const cut = { truncatePrompt: true };
  expect(await encoder.encode([long], cut)).toEqual(await encoder.encode([`${long} and more`], cut));
  for (const maxSequenceLength of [0, 1.5, Number.NaN]) {
    await expect(encoder.encode(['a cat'], { maxSequenceLength })).rejects.toThrow(
      `maxSequenceLength is ${maxSequenceLength}. Give an integer of at least 2, in tokens.`,
    );
  }
  for (const clipSkip of [-1, 1]) {
    await expect(encoder.encode(['a cat'], { clipSkip })).rejects.toThrow(
      `clipSkip is ${clipSkip}; of 2 layers the last is never used here. Give an integer from 0 to 0.`,
    );
  }
  await encoder.dispose();
});

test('T5 reads on where CLIP stops, and refuses or cuts what is longer still', async () => {
  const encoder = await loadSd3PromptEncoder(sd3, { device, textFeatures: 64 });
  const long = 'a cat '.repeat(40);
  expect((await encoder.encode([long])).promptEmbeds.dims).toEqual([1, 77 + 256, 64]);
  await expect(encoder.encode([long], { maxSequenceLength: 24 })).rejects.toThrow(PromptTooLongError);
  const cut = { maxSequenceLength: 24, truncatePrompt: true };
  expect(await encoder.encode([long], cut)).toEqual(await encoder.encode([`${long} and more`], cut));
  // What T5 does not read, CLIP reads to the end or not at all.
  await expect(encoder.encode(['a cat'], { prompts2: [long] })).rejects.toThrow(PromptTooLongError);
  await expect(encoder.encode([long, 'a'], { prompts3: ['a', 'a'] })).rejects.toThrow(PromptTooLongError);
  await expect(encoder.encode(['a cat'], { maxSequenceLength: 0 })).rejects.toThrow(
    'maxSequenceLength is 0. Give an integer of at least 2, in tokens.',
  );
  await encoder.dispose();
});

test('each encoder may read a text of its own', async () => {
  const encoder = await loadSd3PromptEncoder(sd3, { device, textFeatures: 64 });
  const options = { maxSequenceLength: 12 };
  const plain = await encoder.encode(['a cat'], options);
  const same = { ...options, prompts2: ['a cat'], prompts3: ['a cat'] };
  expect(await encoder.encode(['a cat'], same)).toEqual(plain);
  const [first, second, third] = [
    await encoder.encode(['a dog'], { ...options, prompts2: ['a cat'], prompts3: ['a cat'] }),
    await encoder.encode(['a cat'], { ...options, prompts2: ['a dog'] }),
    await encoder.encode(['a cat'], { ...options, prompts3: ['a dog'] }),
  ];
  // Each CLIP gives half of the vector, T5 none of it.
  const pooled = ({ pooledPromptEmbeds: { data } }: typeof plain, half: 0 | 1) =>
    data.slice(half * 32, (half + 1) * 32);
  expect(pooled(first, 0)).not.toEqual(pooled(plain, 0));
  expect(pooled(first, 1)).toEqual(pooled(plain, 1));
  expect(pooled(second, 0)).toEqual(pooled(plain, 0));
  expect(pooled(second, 1)).not.toEqual(pooled(plain, 1));
  expect(third.pooledPromptEmbeds).toEqual(plain.pooledPromptEmbeds);
  const clipTokens = 77 * 64;
  expect(third.promptEmbeds.data.slice(0, clipTokens)).toEqual(plain.promptEmbeds.data.slice(0, clipTokens));
  expect(third.promptEmbeds).not.toEqual(plain.promptEmbeds);
  await expect(encoder.encode(['a cat'], { prompts3: ['a', 'b'] })).rejects.toThrow(
    'prompts3: 2 came for 1 prompts. Give one for each, or leave them out.',
  );
  await encoder.dispose();
});

test('Flux takes tokens from T5 and one vector from CLIP', async () => {
  const encoder = await loadFluxPromptEncoder(await openFixture('golden/open/models/flux'), { device });
  const { promptEmbeds, pooledPromptEmbeds } = await encoder.encode(['a cat'], { maxSequenceLength: 12 });
  expect(promptEmbeds.dims).toEqual([1, 12, 64]);
  expect(pooledPromptEmbeds.dims).toEqual([1, 32]);
  const long = 'a cat '.repeat(40);
  await encoder.encode([long]);
  await expect(encoder.encode([long], { prompts2: ['a cat'] })).rejects.toThrow(PromptTooLongError);
  await encoder.dispose();
});

test('tensors are joined along any axis', () => {
  const [a, b] = [tensor([1, 2, 3, 4], [2, 1, 2]), tensor([5, 6], [2, 1, 1])];
  expect(joinTensors([a, b], 2)).toEqual(tensor([1, 2, 5, 3, 4, 6], [2, 1, 3]));
  expect(joinTensors([a, a], 1)).toEqual(tensor([1, 2, 1, 2, 3, 4, 3, 4], [2, 2, 2]));
  expect(padLastAxis(a, 3)).toEqual(tensor([1, 2, 0, 3, 4, 0], [2, 1, 3]));
  expect(padLastAxis(a, 2)).toBe(a);
});
