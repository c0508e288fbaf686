import type { Folder } from '@emulsion/checkpoints';
import { tensor, zeros } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import type { Tokenizer } from '@emulsion/tokenizer';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { openTokenizer } from './clip-tokens.ts';
import { LearnedTokens } from './learned-tokens.ts';

const vocabSize = 49408;
let tokenizer: Tokenizer;
let learned: LearnedTokens;
beforeAll(async () => {
  const folder: Folder = await openFixture('golden/clip-tokenizer');
  tokenizer = await openTokenizer(folder);
});
beforeEach(() => {
  learned = new LearnedTokens(tokenizer, { vocabSize, hiddenSize: 2 });
});

const add = (name: string, vectors = 1) => learned.add(name, zeros([vectors, 2]), 1);
/** A prompt as it is read, words decoded. */
const read = (prompt: string) =>
  learned.read(prompt).map((token) => (typeof token === 'number' ? tokenizer.decode([token]) : token));

test('vectors have the ids behind the vocabulary, in the order in which they were added', () => {
  add('zebra', 2);
  add('ant', 3);
  expect(read('ant zebra')).toEqual([
    { name: 'ant', ids: [vocabSize + 2, vocabSize + 3, vocabSize + 4] },
    { name: 'zebra', ids: [vocabSize, vocabSize + 1] },
  ]);
  learned.remove('zebra');
  expect(read('ant zebra')).toEqual([
    { name: 'ant', ids: [vocabSize, vocabSize + 1, vocabSize + 2] },
    'zebra',
  ]);
});

test('a name is found as its tokens, whatever the case and the white space, and not inside of a word', () => {
  add('My Style-2');
  const token = { name: 'My Style-2', ids: [vocabSize] };
  expect(read('a cat, my  style - 2, sunny')).toEqual(['a', 'cat', ',', token, ',', 'sunny']);
  expect(read('my style-3')).toEqual(['my', 'style', '-', '3']);
  add('cat');
  expect(read('category')).toEqual(['category']);
});

test('a name with signs around it is found beside other signs too', () => {
  add('<cat-toy>');
  const token = { name: '<cat-toy>', ids: [vocabSize] };
  expect(read('two <cat-toy>, (<Cat-Toy>)')).toEqual(['two', token, ',', '(', token, ')']);
  expect(read('x<cat-toy>y')).toEqual(['x', token, 'y']);
  expect(read('cat-toy')).toEqual(['cat', '-', 'toy']);
});

test('of two names that fit, the longer one is found', () => {
  for (const name of ['art', 'art deco', '<a', '<a>b']) add(name);
  const names = (prompt: string) =>
    learned.read(prompt).map((token) => (typeof token === 'number' ? '' : token.name));
  expect(names('art deco art')).toEqual(['art deco', 'art']);
  expect(names('<a>b <a')).toEqual(['<a>b', '<a']);
});

test('signs that mean something in patterns mean themselves', () => {
  for (const name of ['.*', '[x]', 'a+b?', '(c|d)', '$e^', 'f\\']) add(name);
  for (const name of ['.*', '[x]', 'a+b?', '(c|d)', '$e^', 'f\\'])
    expect(learned.read(name)).toEqual([expect.objectContaining({ name })]);
  expect(read('dog')).toEqual(['dog']);
});

test('strength is a factor on the vectors, and without a name there is a row of zeros', () => {
  expect(learned.vectors()).toEqual(zeros([1, 2]));
  learned.add('a', tensor([1, 2], [1, 2]), 1);
  learned.add('b', tensor([3, 4, 5, 6], [2, 2]), 0.5);
  expect(learned.vectors()).toEqual(tensor([1, 2, 1.5, 2, 2.5, 3], [3, 2]));
  learned.setStrength('a', -1);
  expect(learned.vectors()).toEqual(tensor([-1, -2, 1.5, 2, 2.5, 3], [3, 2]));
});

test('names are taken in every spelling that reads alike, and must be readable', () => {
  add('Cat  Toy');
  expect(learned.has('cat toy')).toBe(true);
  expect(learned.has('cat toys')).toBe(false);
  expect(() => add('  ')).toThrow(
    'Embedding "  ": this is no word that a prompt can have. Give it another name.',
  );
});

test('a tokenizer with more words than the encoder has vectors is refused', () => {
  const few = new LearnedTokens(tokenizer, { vocabSize: 300, hiddenSize: 2 });
  expect(() => few.read('a cat')).toThrow(/token id \d+ is not among the 300 of this model/);
});
