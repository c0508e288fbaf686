import { createRng, tensor, zeros } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { packLatents, patchPositions, unpackLatents } from './flux-tokens.ts';

test('a token holds, channel after channel, the four pixels of its patch', () => {
  const latents = tensor(
    Float32Array.from({ length: 2 * 2 * 4 }, (_, i) => i),
    [1, 2, 2, 4],
  );
  const { dims, data } = packLatents(latents);
  expect(dims).toEqual([1, 2, 8]);
  expect([...data]).toEqual([0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]);
});

test('unpacking gives back what was packed', () => {
  const latents = createRng({ kind: 'torch-cpu', seed: 0 }).normal([2, 16, 6, 4]);
  expect(unpackLatents(packLatents(latents), 6, 4)).toEqual(latents);
});

test('positions are row and column of the patch', () => {
  expect([...patchPositions(4, 6).data]).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 1, 0, 1, 2]);
});

test('sizes that make no patches are refused', () => {
  expect(() => packLatents(zeros([1, 16, 5, 4]))).toThrow(
    'transformer: the latents are [1, 16, 5, 4], [batch, channels, height, width] with even height and width is wanted. Choose another size of picture.',
  );
  expect(() => unpackLatents(zeros([1, 5, 64]), 4, 4)).toThrow(
    'transformer: the tokens are [1, 5, 64], 4×4 latents take [batch, 4, 4·channels].',
  );
});
