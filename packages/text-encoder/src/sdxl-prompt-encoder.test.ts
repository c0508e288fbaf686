import type { Folder } from '@emulsion/checkpoints';
import { memoryFolder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PromptTooLongError } from './clip-tokens.ts';
import { loadSdxlPromptEncoder, type SdxlPromptEncoder } from './sdxl-prompt-encoder.ts';

let device: Device;
let model: Folder;
let encoder: SdxlPromptEncoder;
beforeAll(async () => {
  device = await createTestDevice();
  model = await openFixture('golden/open/models/sdxl');
  encoder = await loadSdxlPromptEncoder(model, { device });
});
afterAll(() => device.dispose());

test('the hidden states of both encoders lie side by side, and the second gives the pooled text', async () => {
  const { promptEmbeds, pooledPromptEmbeds } = await encoder.encode(['a cat', 'a dog']);
  expect(promptEmbeds.dims).toEqual([2, 77, 32 + 40]);
  expect(pooledPromptEmbeds.dims).toEqual([2, 32]);
});

test('a second prompt changes what the second encoder gives and nothing else', async () => {
  const one = await encoder.encode(['a cat']);
  const two = await encoder.encode(['a cat'], { prompts2: ['a dog'] });
  const channels = (first: number, last: number, { promptEmbeds }: typeof one) =>
    promptEmbeds.data.filter((_, i) => i % 72 >= first && i % 72 < last);
  expect(channels(0, 32, two)).toEqual(channels(0, 32, one));
  expect(channels(32, 72, two)).not.toEqual(channels(32, 72, one));
  expect(two.pooledPromptEmbeds).not.toEqual(one.pooledPromptEmbeds);
  await expect(encoder.encode(['a cat'], { prompts2: [] })).rejects.toThrow(
    'prompts2: 0 came for 1 prompts. Give one for each, or leave them out.',
  );
});

test('clip skip leaves out layers beside the last, which is never used, and keeps the pooled text', async () => {
  const [none, one] = [await encoder.encode(['a cat']), await encoder.encode(['a cat'], { clipSkip: 1 })];
  expect(one.promptEmbeds).not.toEqual(none.promptEmbeds);
  expect(one.pooledPromptEmbeds).toEqual(none.pooledPromptEmbeds);
  await expect(encoder.encode(['a cat'], { clipSkip: 2 })).rejects.toThrow(
    'clipSkip is 2; of 3 layers the last is never used here. Give an integer from 0 to 1.',
  );
});

test('a prompt that is too long is refused, or cut when asked', async () => {
  const long = 'a cat '.repeat(40);
  await expect(encoder.encode([long])).rejects.toThrow(PromptTooLongError);
  await expect(encoder.encode(['a cat'], { prompts2: [long] })).rejects.toThrow(PromptTooLongError);
  const cut = await encoder.encode([long], { truncatePrompt: true });
  expect(cut).toEqual(await encoder.encode([`${long} and more`], { truncatePrompt: true }));
});

test('a refiner has the second encoder alone', async () => {
  const second = model.subfolder('text_encoder_2');
  const tokenizer = model.subfolder('tokenizer_2');
  const files: Record<string, Uint8Array> = {};
  for (const name of ['config.json', 'model.safetensors'])
    files[`text_encoder_2/${name}`] = await second.read(name);
  for (const name of ['vocab.json', 'merges.txt', 'tokenizer.json', 'tokenizer_config.json'])
    if (await tokenizer.has(name)) files[`tokenizer_2/${name}`] = await tokenizer.read(name);
  const refiner = await loadSdxlPromptEncoder(memoryFolder(files), { device });
  const [alone, both] = [await refiner.encode(['a cat']), await encoder.encode(['a cat'])];
  expect(alone.promptEmbeds.dims).toEqual([1, 77, 40]);
  expect(alone.pooledPromptEmbeds).toEqual(both.pooledPromptEmbeds);
  await refiner.dispose();
});
