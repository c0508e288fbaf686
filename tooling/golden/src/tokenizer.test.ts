import { openFolderAt } from '@emulsion/testing';
import { loadTokenizer, type Tokenizer, tokenizerFileNames } from '@emulsion/tokenizer';
import { expect } from 'vitest';
import type { CaseJson, GoldenArea } from './golden-area.ts';
import { testArea } from './test-area.ts';

interface TokenizerCase extends CaseJson {
  readonly text: string;
  readonly clip: readonly number[];
  readonly clip_decoded: string;
  readonly clip_padded_77?: readonly number[];
  readonly t5: readonly number[];
  readonly unigram_bf: readonly number[];
  readonly unigram_bf_decoded: string;
}

const kinds = ['clip', 't5', 'unigram_bf'] as const;

const tokenizers = new Map<string, Promise<Tokenizer>>();

/** The tokenizer that the index names: a folder, or a `tokenizer.json` in one. */
function tokenizerOf(kind: string, { index, address }: GoldenArea<TokenizerCase>): Promise<Tokenizer> {
  const known = tokenizers.get(kind);
  if (known) return known;
  const location = String(index[kind]);
  const loading = load(address(location.endsWith('.json') ? `${location}/..` : `${location}/`));
  tokenizers.set(kind, loading);
  return loading;
}

async function load(url: URL): Promise<Tokenizer> {
  const folder = await openFolderAt(url);
  const files: Record<string, string> = {};
  for (const name of tokenizerFileNames) {
    if (await folder.has(name)) files[name] = new TextDecoder().decode(await folder.read(name));
  }
  return loadTokenizer(files);
}

await testArea<TokenizerCase>('tokenizer', {
  traits: (json) => kinds.filter((kind) => json[kind] !== undefined).map((kind) => ({ kind })),
  check:
    (golden, area, { kind }) =>
    async () => {
      const { json } = golden;
      const tokenizer = await tokenizerOf(kind, area);
      switch (kind) {
        case 'clip':
          expect(tokenizer.encode(json.text)).toEqual(json.clip);
          expect(tokenizer.decode(json.clip)).toBe(json.clip_decoded);
          if (json.clip_padded_77) expect(tokenizer.encodePadded(json.text, 77)).toEqual(json.clip_padded_77);
          return;
        case 't5':
          expect(tokenizer.encode(json.text)).toEqual(json.t5);
          return;
        case 'unigram_bf':
          expect(tokenizer.encode(json.text)).toEqual(json.unigram_bf);
          expect(tokenizer.decode(json.unigram_bf)).toBe(json.unigram_bf_decoded);
          return;
        default:
          throw new Error(`golden: there is no tokenizer "${kind}". Teach tokenizer.test.ts to check it.`);
      }
    },
});
