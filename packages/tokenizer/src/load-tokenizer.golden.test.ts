/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadTokenizer, type Tokenizer } from './load-tokenizer.ts';
import { tokenizerFileNames } from './tokenizer-files.ts';

interface Case {
  id: string;
  text: string;
  clip: number[];
  clip_decoded: string;
  clip_padded_77?: number[];
  t5: number[];
  unigram_bf: number[];
  unigram_bf_decoded: string;
}

const golden = new URL('../../../fixtures/golden/', import.meta.url);
const load = (folder: string): Tokenizer => {
  const urls = tokenizerFileNames.map((name) => [name, new URL(`${folder}/${name}`, golden)] as const);
  const present = urls.filter(([, url]) => existsSync(url));
  return loadTokenizer(Object.fromEntries(present.map(([name, url]) => [name, readFileSync(url, 'utf8')])));
};
// The index's own format: a `format` of golden-tokenizer-1.
const { cases } = JSON.parse(readFileSync(new URL('open/tokenizer/index.json', golden), 'utf8')) as {
  cases: Case[];
};
const clip = load('clip-tokenizer');
const t5 = load('t5-tokenizer-tiny');
const unigram = load('unigram-bytefallback-tiny');

for (const c of cases) {
  test(`${c.id} ${JSON.stringify(c.text.slice(0, 40))} becomes the ids of the reference, and text again`, () => {
    expect(clip.encode(c.text)).toEqual(c.clip);
    expect(clip.decode(c.clip)).toBe(c.clip_decoded);
    if (c.clip_padded_77) expect(clip.encodePadded(c.text)).toEqual(c.clip_padded_77);
    expect(t5.encode(c.text)).toEqual(c.t5);
    expect(unigram.encode(c.text)).toEqual(c.unigram_bf);
    expect(unigram.decode(c.unigram_bf)).toBe(c.unigram_bf_decoded);
  });
}
