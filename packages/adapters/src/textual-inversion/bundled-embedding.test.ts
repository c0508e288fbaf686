import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { bundledEmbedding } from './bundled-embedding.ts';

test('what a LoRA brings is an embedding of one encoder, or of two', () => {
  const [one, left, right] = [tensor([1, 2, 3, 4], [2, 2]), tensor([5, 6], [2]), tensor([7, 8, 9], [1, 3])];
  expect(bundledEmbedding('s1', new Map([['string_to_param.*', one]]))).toMatchObject({
    name: 's1',
    encoders: [{ vectors: one }],
    notes: [],
  });
  const both = bundledEmbedding(
    'pony',
    new Map([
      ['clip_l', left],
      ['clip_g', right],
    ]),
  );
  expect(both?.encoders).toEqual([
    { encoder: 'clip-l', vectors: tensor([5, 6], [1, 2]) },
    { encoder: 'clip-g', vectors: right },
  ]);
  expect(
    bundledEmbedding(
      'none',
      new Map([
        ['a', one],
        ['b', one],
      ]),
    ),
  ).toBeUndefined();
});
