// @huggingface/tokenizers, made to agree with Hugging Face's Rust library where it does not.
import {
  ByteFallbackDecoder,
  ByteLevelPreTokenizer,
  type Decoder,
  LowercaseNormalizer,
  type Normalizer,
  PrecompiledNormalizer,
  type PreTokenizer,
  SequenceDecoder,
  SequenceNormalizer,
  SequencePreTokenizer,
  Tokenizer,
  Unigram,
  WhitespaceSplitPreTokenizer,
} from '@huggingface/tokenizers';
import { precompiledCharsmap } from './precompiled-charsmap.ts';

/** A tokenizer of the library over a `tokenizer.json` object; throws what the library throws. */
export function createLibraryTokenizer(tokenizerJson: object): Tokenizer {
  const tokenizer = new Tokenizer(tokenizerJson, {});
  if (tokenizer.normalizer) correctNormalizer(tokenizer.normalizer);
  if (tokenizer.pre_tokenizer) correctPreTokenizer(tokenizer.pre_tokenizer);
  if (tokenizer.model instanceof Unigram) correctUnigram(tokenizer.model);
  if (tokenizer.decoder) correctDecoder(tokenizer.decoder);
  return tokenizer;
}

function correctNormalizer(normalizer: Normalizer): void {
  if (normalizer instanceof SequenceNormalizer) {
    for (const part of normalizer.normalizers) if (part) correctNormalizer(part);
  } else if (normalizer instanceof LowercaseNormalizer) {
    // Rust lower-cases character by character; JavaScript makes a capital sigma at the end of a word a final sigma,
    // the one mapping that depends on the neighbours.
    normalizer.normalize = (text) => text.replaceAll('Σ', 'σ').toLowerCase();
  } else if (normalizer instanceof PrecompiledNormalizer && typeof normalizer.charsmap === 'string') {
    // The library approximates every map by NFKC.
    normalizer.normalize = precompiledCharsmap(normalizer.charsmap);
  }
}

/** GPT-2's words, contractions, numbers and signs, each with the space before it. */
const byteLevelWords =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/**
 * White space is Unicode's: JavaScript's `\s`, which the library uses, has the byte order mark too and lacks the
 * next-line character.
 */
function correctPreTokenizer(preTokenizer: PreTokenizer): void {
  if (preTokenizer instanceof SequencePreTokenizer) {
    for (const part of preTokenizer.tokenizers) if (part) correctPreTokenizer(part);
  } else if (preTokenizer instanceof WhitespaceSplitPreTokenizer) {
    preTokenizer.pre_tokenize_text = (text) => text.match(/\P{White_Space}+/gu) ?? [];
  } else if (preTokenizer instanceof ByteLevelPreTokenizer) {
    preTokenizer.pattern = byteLevelWords;
  }
}

/** The library gives what no piece covers the unknown token, also where the model spells it in bytes. */
function correctUnigram(model: Unigram): void {
  if (!('byte_fallback' in model.config && model.config.byte_fallback)) return;
  const encode = model.encode.bind(model);
  const encoder = new TextEncoder();
  const bytesOf = (piece: string) =>
    Array.from(encoder.encode(piece), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  model.encode = (tokens) =>
    encode(tokens).flatMap((piece) => {
      if (model.tokens_to_ids.has(piece)) return [piece];
      const bytes = bytesOf(piece);
      return bytes.every((byte) => model.tokens_to_ids.has(byte)) ? bytes : [piece];
    });
}

function correctDecoder(decoder: Decoder): void {
  if (decoder instanceof SequenceDecoder) {
    for (const part of decoder.decoders) correctDecoder(part);
  } else if (decoder instanceof ByteFallbackDecoder) {
    // The library loses a byte order mark in the text.
    decoder.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  }
}
