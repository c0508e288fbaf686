import { type Folder, memoryFolder, readJson } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture, rewriteHeader } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseClipTextConfig } from './clip-config.ts';
import { loadTextEncoder, type TextEncoder } from './load-text-encoder.ts';

let device: Device;
let stored: Folder;
let encoder: TextEncoder;
beforeAll(async () => {
  device = await createTestDevice();
  stored = await openFixture('golden/open/models/sd1/text_encoder');
  encoder = await loadTextEncoder(stored, { device });
});
afterAll(() => device.dispose());

const ids = (...tokens: number[]) => tensor(Int32Array.from(tokens), [1, tokens.length]);

test('a token does not see the ones after it, so a prefix encodes alike', async () => {
  const short = await encoder.encode({ inputIds: ids(638, 320, 639) });
  const long = await encoder.encode({ inputIds: ids(638, 320, 639, 5, 6, 7) });
  expect(long.lastHiddenState.dims).toEqual([1, 6, 32]);
  const difference = short.lastHiddenState.data.map((value, i) =>
    Math.abs(value - long.lastHiddenState.data[i]!),
  );
  expect(Math.max(...difference)).toBeLessThan(1e-5);
  expect(
    Math.max(...short.pooled.data.map((value, i) => Math.abs(value - long.pooled.data[i]!))),
  ).toBeLessThan(1e-5);
});

test('clip skip takes an earlier layer, and leaves the pooled text alone', async () => {
  const inputIds = ids(638, 320, 639);
  const [none, one] = [await encoder.encode({ inputIds }), await encoder.encode({ inputIds, clipSkip: 1 })];
  expect(one.lastHiddenState).not.toEqual(none.lastHiddenState);
  expect(one.pooled).toEqual(none.pooled);
});

test('the prefix that older checkpoints have makes no difference', async () => {
  const weights = rewriteHeader(await stored.read('model.safetensors'), (header) => {
    const other = header.includes('"text_model.')
      ? header.replaceAll('"text_model.', '"')
      : header.replaceAll(/"(?=embeddings|encoder|final_layer_norm)/g, '"text_model.');
    expect(other).not.toBe(header);
    return other;
  });
  const folder = memoryFolder({
    'config.json': await stored.read('config.json'),
    'model.safetensors': weights,
  });
  const renamed = await loadTextEncoder(folder, { device });
  const inputIds = ids(638, 320, 639);
  expect(await renamed.encode({ inputIds })).toEqual(await encoder.encode({ inputIds }));
  await renamed.dispose();
});

test('a text ends at its first end token, and where the configuration is an old one at its largest id', async () => {
  const config = (await readJson(stored, 'config.json')) as Record<string, unknown>; // an object, as in every model
  const pooledAt = async (eosTokenId: number, ...tokens: number[]) => {
    const folder = memoryFolder({
      'config.json': JSON.stringify({ ...config, eos_token_id: eosTokenId }),
      'model.safetensors': await stored.read('model.safetensors'),
    });
    const other = await loadTextEncoder(folder, { device });
    const inputIds = ids(...tokens);
    const { pooled, lastHiddenState } = await other.encode({ inputIds, learnedVectors: zeros([1, 32]) });
    await other.dispose();
    return tokens.findIndex((_, i) =>
      pooled.data.every((value, k) => Math.abs(value - lastHiddenState.data[i * 32 + k]!) < 1e-6),
    );
  };
  expect(await pooledAt(2, 638, 2, 639, 5, 639)).toBe(2);
  // With what was learned, as in transformers.
  expect(await pooledAt(2, 638, 640, 5, 639, 639)).toBe(1);
  expect(await pooledAt(7, 638, 2, 639, 7, 7)).toBe(3);
  // Where it does not end, transformers takes the first token.
  expect(await pooledAt(7, 638, 2, 639)).toBe(0);
});

test('what it cannot encode is refused with what it takes', async () => {
  await expect(encoder.encode({ inputIds: ids(...Array.from({ length: 78 }, () => 1)) })).rejects.toThrow(
    'text encoder: "inputIds" is [1, 78], this model takes [batch, at most 77]. Shorten the prompt.',
  );
  await expect(encoder.encode({ inputIds: ids(640) })).rejects.toThrow(
    'text encoder: token id 640 is not among the 640 of this model. Use the tokenizer that belongs to it.',
  );
  await expect(encoder.encode({ inputIds: ids(1), clipSkip: 3 })).rejects.toThrow(
    'text encoder: clipSkip is 3, this model has 3 layers. Give an integer from 0 to 2.',
  );
});

test('a whole CLIP model has the configuration inside of its own', () => {
  const inner = { hidden_size: 32, num_attention_heads: 4, eos_token_id: 9 };
  expect(parseClipTextConfig('text encoder', { text_config: inner }).eosTokenId).toBe(9);
  expect(() => parseClipTextConfig('text encoder', { ...inner, num_attention_heads: 5 })).toThrow(
    '32 channels do not divide into as many.',
  );
});
