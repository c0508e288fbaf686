/// <reference types="node" />
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { TokenizerFileError } from './errors.ts';
import { loadTokenizer } from './load-tokenizer.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

/** A CLIP tokenizer that knows "cat", "a", "b" and "!". */
const vocabulary = {
  '!': 0,
  a: 1,
  b: 2,
  c: 3,
  t: 4,
  '!</w>': 5,
  'a</w>': 6,
  'b</w>': 7,
  'c</w>': 8,
  't</w>': 9,
  'at</w>': 10,
  'cat</w>': 11,
  '<|startoftext|>': 12,
  '<|endoftext|>': 13,
};
const tiny: TokenizerFiles = {
  'vocab.json': vocabulary,
  'merges.txt': '#version: 0.2\na t</w>\nc at</w>\n',
  'tokenizer_config.json': { model_max_length: 6, tokenizer_class: 'CLIPTokenizer' },
};

test('text stands between the start and the end token, in lower case', () => {
  const { encode, bosTokenId, eosTokenId, padTokenId, modelMaxLength } = loadTokenizer(tiny);
  expect(encode('A cat')).toEqual([12, 6, 11, 13]);
  expect(encode('')).toEqual([12, 13]);
  expect({ bosTokenId, eosTokenId, padTokenId, modelMaxLength }).toEqual({
    bosTokenId: 12,
    eosTokenId: 13,
    padTokenId: 13,
    modelMaxLength: 6,
  });
});

test('a short text is filled up, a long one loses its end and keeps the end token', () => {
  const { encodePadded } = loadTokenizer(tiny);
  expect(encodePadded('cat')).toEqual([12, 11, 13, 13, 13, 13]);
  expect(encodePadded('a b a b a b')).toEqual([12, 6, 7, 6, 7, 13]);
  expect(encodePadded('a b a', 3)).toEqual([12, 6, 13]);
  expect(encodePadded('a b', 2)).toEqual([12, 13]);
});

test('the map of special tokens overrides the configuration, and its pad token is found in text too', () => {
  const { encode, encodePadded, padTokenId } = loadTokenizer({
    ...tiny,
    'tokenizer_config.json': { pad_token: '<|endoftext|>', model_max_length: 6 },
    'special_tokens_map.json': { pad_token: '!' },
  });
  expect(padTokenId).toBe(0);
  expect(encodePadded('a')).toEqual([12, 6, 13, 0, 0, 0]);
  expect(encode('cat!')).toEqual([12, 11, 0, 13]);
});

test('a configuration that lists its added tokens overrides the map of special tokens', () => {
  const { padTokenId } = loadTokenizer({
    ...tiny,
    'tokenizer_config.json': {
      pad_token: '<|endoftext|>',
      added_tokens_decoder: { 13: { content: '<|endoftext|>', special: true } },
    },
    'special_tokens_map.json': { pad_token: '!' },
  });
  expect(padTokenId).toBe(13);
});

test('tokens that were added to the vocabulary are found in text and decoded', () => {
  const { encode, decode } = loadTokenizer({ ...tiny, 'added_tokens.json': { '<cat-toy>': 14 } });
  expect(encode('a <cat-toy> cat')).toEqual([12, 6, 14, 11, 13]);
  expect(decode([12, 6, 14, 11, 13])).toBe('a <cat-toy>cat');
});

test('decoding leaves the special tokens out, and nothing gives an empty text', () => {
  const { decode } = loadTokenizer(tiny);
  expect(decode([12, 6, 11, 13, 13])).toBe('a cat');
  expect(decode([12, 13])).toBe('');
  expect(decode([])).toBe('');
  expect(() => decode([6, 99])).toThrow(
    'tokenizer.decode: 99 is not in the vocabulary. Give ids of this tokenizer.',
  );
});

test('the files may be text or parsed, with either line ending', () => {
  const asText = {
    'vocab.json': JSON.stringify(vocabulary),
    'merges.txt': '#version: 0.2\r\na t</w>\r\nc at</w>\r\n',
    'tokenizer_config.json': JSON.stringify(tiny['tokenizer_config.json']),
  };
  expect(loadTokenizer(asText).encode('a cat')).toEqual(loadTokenizer(tiny).encode('a cat'));
});

const golden = new URL('../../../fixtures/golden/', import.meta.url);
const clipFiles = {
  'vocab.json': readFileSync(new URL('clip-tokenizer/vocab.json', golden), 'utf8'),
  'merges.txt': readFileSync(new URL('clip-tokenizer/merges.txt', golden), 'utf8'),
};

test('a capital sigma becomes the same letter at the end of a word as elsewhere', () => {
  const { encode } = loadTokenizer(clipFiles);
  expect(encode('ΑΣ')).toEqual(encode('ασ'));
  expect(encode('ΑΣ')).not.toEqual(encode('ας'));
});

test('ten thousand words take less than a second', () => {
  const words = Array.from({ length: 10_000 }, (_, i) => ['masterpiece', 'painting', `word${i}`][i % 3]).join(
    ' ',
  );
  const { encode } = loadTokenizer(clipFiles);
  const start = performance.now();
  expect(encode(words).length).toBeGreaterThan(10_000);
  expect(performance.now() - start).toBeLessThan(1000);
});

test('a tokenizer.json without its configuration still tells its start, end and pad', () => {
  const t5 = readFileSync(new URL('t5-tokenizer-tiny/tokenizer.json', golden), 'utf8');
  const { bosTokenId, eosTokenId, padTokenId, modelMaxLength } = loadTokenizer({ 'tokenizer.json': t5 });
  expect({ bosTokenId, eosTokenId, padTokenId, modelMaxLength }).toEqual({
    bosTokenId: undefined,
    eosTokenId: 1,
    padTokenId: undefined,
    modelMaxLength: undefined,
  });
  const padded = JSON.stringify({ ...JSON.parse(t5), padding: { pad_id: 0 } });
  expect(loadTokenizer({ 'tokenizer.json': padded }).padTokenId).toBe(0);
});

const fileErrors: [what: string, files: TokenizerFiles, fileName: string, text: string][] = [
  [
    'no files',
    {},
    'tokenizer.json',
    'tokenizer: there is no "tokenizer.json" (no files). Give "tokenizer.json", or "vocab.json" and "merges.txt".',
  ],
  [
    'no merges',
    { 'vocab.json': vocabulary },
    'merges.txt',
    'tokenizer: there is no "merges.txt" (vocab.json). Give "tokenizer.json", or "vocab.json" and "merges.txt".',
  ],
  [
    'a vocabulary that is cut short',
    { ...tiny, 'vocab.json': '{"a": 1,' },
    'vocab.json',
    'tokenizer: "vocab.json" is not JSON. The file may be cut short: download it again.',
  ],
  [
    'a vocabulary that is a list',
    { ...tiny, 'vocab.json': ['a'] },
    'vocab.json',
    'tokenizer: "vocab.json" holds no JSON object. Give the file\'s text or its parsed JSON.',
  ],
  [
    'an id that is no integer',
    { ...tiny, 'vocab.json': { a: '1' } },
    'vocab.json',
    'tokenizer: "vocab.json" gives "a" the id "1". Give a file that maps tokens to integers.',
  ],
  [
    'merges that are no pairs',
    { ...tiny, 'merges.txt': '#version: 0.2\na t</w>\nc\n' },
    'merges.txt',
    'tokenizer: line 3 of "merges.txt" is "c", not two tokens with a space between. The file may be damaged: download it again.',
  ],
  [
    'merges that are no text',
    { ...tiny, 'merges.txt': 5 },
    'merges.txt',
    'tokenizer: "merges.txt" came as something other than text. Give its text.',
  ],
  [
    'a vocabulary without the end token',
    { ...tiny, 'vocab.json': { '<|startoftext|>': 0 } },
    'vocab.json',
    'tokenizer: "vocab.json" has no "<|endoftext|>", which is the eos_token. Give the files of one tokenizer, all from the same folder.',
  ],
  [
    'another kind of byte-pair encoding',
    { ...tiny, 'tokenizer_config.json': { tokenizer_class: 'GPT2Tokenizer' } },
    'tokenizer.json',
    'tokenizer: a GPT2Tokenizer can not be made from "vocab.json" and "merges.txt", only a CLIPTokenizer. Give its "tokenizer.json".',
  ],
];

for (const [what, files, fileName, text] of fileErrors) {
  test(`${what}: the error names the file and says what to do`, () => {
    try {
      loadTokenizer(files);
      expect.unreachable();
    } catch (error) {
      expect(TokenizerFileError.is(error)).toBe(true);
      expect(error).toMatchObject({ fileName, message: text });
    }
  });
}

test('a tokenizer.json of an unknown kind is refused with the reason', () => {
  const load = () => loadTokenizer({ 'tokenizer.json': { model: {} } });
  expect(load).toThrow(TokenizerFileError);
  expect(load).toThrow('tokenizer: "tokenizer.json" describes no tokenizer that can be made here');
});

test('a length that leaves no room, and a pad token that nobody names, are refused', () => {
  expect(() => loadTokenizer(tiny).encodePadded('a', 1)).toThrow(InvalidArgumentError);
  expect(() => loadTokenizer(tiny).encodePadded('a', 1)).toThrow(
    'tokenizer.encodePadded: length is 1. Give an integer of at least 2, the special tokens.',
  );
  expect(() => loadTokenizer(clipFiles).encodePadded('a')).toThrow('length is undefined');
  const t5 = loadTokenizer({
    'tokenizer.json': readFileSync(new URL('t5-tokenizer-tiny/tokenizer.json', golden), 'utf8'),
  });
  expect(() => t5.encodePadded('a', 10)).toThrow(
    'tokenizer.encodePadded: the files name no pad token. Give the "tokenizer_config.json" that has one.',
  );
});
