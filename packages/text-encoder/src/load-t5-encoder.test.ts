import { type Folder, memoryFolder, readJson } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { type Tensor, tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture, rewriteHeader } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadT5Encoder, type T5Encoder } from './load-t5-encoder.ts';
import { parseT5Config } from './t5-config.ts';

let device: Device;
let stored: Folder;
let encoder: T5Encoder;
beforeAll(async () => {
  device = await createTestDevice();
  stored = await openFixture('golden/open/models/sd3/text_encoder_3');
  encoder = await loadT5Encoder(stored, { device });
});
afterAll(() => device.dispose());

const ids = (...tokens: number[]) => tensor(Int32Array.from(tokens), [1, tokens.length]);
const worst = (a: Tensor, b: Tensor, length: number) =>
  Math.max(...a.data.slice(0, length).map((value, i) => Math.abs(value - b.data[i]!)));

test('hidden padding leaves the text as it is alone, and padding that is seen does not', async () => {
  const alone = await encoder.encode({ inputIds: ids(5, 9, 1) });
  const padded = ids(5, 9, 1, 0, 0);
  const attentionMask = tensor([1, 1, 1, 0, 0], [1, 5]);
  const hidden = await encoder.encode({ inputIds: padded, attentionMask });
  expect(hidden.dims).toEqual([1, 5, 64]);
  expect(worst(hidden, alone, 3 * 64)).toBeLessThan(1e-5);
  expect(worst(await encoder.encode({ inputIds: padded }), alone, 3 * 64)).toBeGreaterThan(1e-3);
});

test('every weight is used, and the other name of the table of tokens gives the same', async () => {
  expect(encoder.unusedWeights).toEqual([]);
  const weights = rewriteHeader(await stored.read('model.safetensors'), (header) =>
    header.replace('"shared.weight"', '"encoder.embed_tokens.weight"'),
  );
  const folder = memoryFolder({
    'config.json': await stored.read('config.json'),
    'model.safetensors': weights,
  });
  const renamed = await loadT5Encoder(folder, { device });
  const inputIds = ids(5, 9, 1);
  expect(await renamed.encode({ inputIds })).toEqual(await encoder.encode({ inputIds }));
  await renamed.dispose();
});

test('what it cannot encode is refused with what it takes', async () => {
  await expect(encoder.encode({ inputIds: ids(600) })).rejects.toThrow(
    'T5 encoder: token id 600 is not among the 600 of this model. Use the tokenizer that belongs to it.',
  );
  await expect(encoder.encode({ inputIds: tensor(Int32Array.of(1), [1]) })).rejects.toThrow(
    'T5 encoder: "inputIds" is [1], this model takes [batch, sequence]. Give a row of ids for each prompt.',
  );
  await expect(encoder.encode({ inputIds: ids(1, 2), attentionMask: zeros([1, 3]) })).rejects.toThrow(
    'T5 encoder: "attentionMask" is [1, 3] for ids of [1, 2]. Give a number for each id.',
  );
});

test('the gate and the activation are told by one word', async () => {
  const json = (await readJson(stored, 'config.json')) as object; // an object, as in every model
  const parse = (word: string) => parseT5Config('T5 encoder', { ...json, feed_forward_proj: word });
  expect(parse('gated-gelu')).toMatchObject({ gated: true, activation: 'gelu_new' });
  expect(parse('gated-silu')).toMatchObject({ gated: true, activation: 'silu' });
  expect(parse('relu')).toMatchObject({ gated: false, activation: 'relu' });
  expect(() => parse('gated')).toThrow('an activation is wanted, with "gated-" before it or not.');
});
