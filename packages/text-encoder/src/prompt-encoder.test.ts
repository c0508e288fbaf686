import type { Device } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PromptTooLongError } from './clip-tokens.ts';
import { loadPromptEncoder, type PromptEncoder } from './prompt-encoder.ts';

let device: Device;
let encoder: PromptEncoder;
beforeAll(async () => {
  device = await createTestDevice();
  encoder = await loadPromptEncoder(await openFixture('golden/open/models/sd1'), { device });
});
afterAll(() => device.dispose());

test('prompts are padded to the length of the model and encoded together as they are alone', async () => {
  const together = await encoder.encode(['a cat', '']);
  expect(together.dims).toEqual([2, 77, 32]);
  const ids = encoder.tokenizer.encodePadded('a cat', 77);
  const { lastHiddenState } = await encoder.textEncoder.encode({
    inputIds: tensor(Int32Array.from(ids), [1, 77]),
  });
  const first = together.data.slice(0, 77 * 32);
  expect(Math.max(...first.map((value, i) => Math.abs(value - lastHiddenState.data[i]!)))).toBeLessThan(1e-5);
});

test('a prompt that is too long is refused with where it would be cut, or cut when asked', async () => {
  const long = Array.from({ length: 40 }, (_, i) => `a cat${i}`).join(', ');
  await expect(encoder.encode([long])).rejects.toThrow(PromptTooLongError);
  await expect(encoder.encode([long])).rejects.toThrow(
    /^The prompt is \d+ tokens long, this model reads 75: from ".+" on it would be ignored\. Shorten it/,
  );
  const cut = await encoder.encode([long], { truncatePrompt: true });
  expect(cut).toEqual(await encoder.encode([`${long} and more`], { truncatePrompt: true }));
});

test('clip skip changes what is encoded', async () => {
  expect(await encoder.encode(['a cat'], { clipSkip: 1 })).not.toEqual(await encoder.encode(['a cat']));
});
