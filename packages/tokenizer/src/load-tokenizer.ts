// A tokenizer from the files of its folder: text to token ids and back.
import { InvalidArgumentError } from '@emulsion/tensor';
import { clipRoles, clipTokenizerJson } from './clip-tokenizer-json.ts';
import { TokenizerFileError } from './errors.ts';
import { createLibraryTokenizer } from './library-tokenizer.ts';
import {
  type AddedToken,
  readMerges,
  readObject,
  readSettings,
  readVocabulary,
  type TokenizerFileName,
  type TokenizerFiles,
  type TokenizerSettings,
} from './tokenizer-files.ts';

/** Text to token ids and back. */
export interface Tokenizer {
  /** Id of the token before the text; undefined where the model has none (T5). */
  readonly bosTokenId: number | undefined;
  /** Id of the token after the text. */
  readonly eosTokenId: number | undefined;
  /** Id that fills a sequence up. */
  readonly padTokenId: number | undefined;
  /** Longest sequence that the model takes, special tokens included; undefined where the files give none. */
  readonly modelMaxLength: number | undefined;
  /** The ids of a text between its special tokens, without padding or truncation. */
  encode(text: string): number[];
  /**
   * Exactly `length` ids: a longer text loses its end, the closing token stays; a shorter one is filled up with
   * `padTokenId`.
   * @param length `modelMaxLength` by default
   * @throws {InvalidArgumentError} if `length` is neither given nor known or leaves no room for the special tokens, or
   * if the tokenizer has no pad token
   */
  encodePadded(text: string, length?: number): number[];
  /**
   * The text of `ids`, without its special tokens. CLIP's text comes back in lower case with a space after each word.
   * @throws {InvalidArgumentError} if an id is not in the vocabulary
   */
  decode(ids: readonly number[]): string;
}

/** What a tokenizer is made from. */
interface TokenizerSource {
  readonly fileName: TokenizerFileName;
  /** As `tokenizer.json`. */
  readonly json: { readonly [key: string]: unknown };
  readonly settings: TokenizerSettings;
}

/** The folder's own `tokenizer.json`, or CLIP's made from its vocabulary and merges. */
function readSource(files: TokenizerFiles): TokenizerSource {
  const settings = readSettings(files);
  const own = readObject(files, 'tokenizer.json');
  if (own) return { fileName: 'tokenizer.json', json: own, settings };
  const vocabulary = readVocabulary(files);
  const merges = readMerges(files);
  if (!vocabulary || !merges) {
    const missing = vocabulary ? 'merges.txt' : merges ? 'vocab.json' : 'tokenizer.json';
    const present = Object.keys(files).join(', ') || 'no files';
    throw new TokenizerFileError(
      missing,
      `tokenizer: there is no "${missing}" (${present}). Give "tokenizer.json", or "vocab.json" and "merges.txt".`,
    );
  }
  const { tokenizerClass } = settings;
  if (tokenizerClass !== undefined && !/^CLIPTokenizer(Fast)?$/.test(tokenizerClass)) {
    throw new TokenizerFileError(
      'tokenizer.json',
      `tokenizer: a ${tokenizerClass} can not be made from "vocab.json" and "merges.txt", only a CLIPTokenizer. Give its "tokenizer.json".`,
    );
  }
  const roles = { ...clipRoles, ...settings.roles };
  const json = clipTokenizerJson(vocabulary, merges, roles, settings.addedTokens);
  return { fileName: 'vocab.json', json, settings: { ...settings, roles } };
}

function openLibrary({ fileName, json }: TokenizerSource): ReturnType<typeof createLibraryTokenizer> {
  try {
    return createLibraryTokenizer(json);
  } catch (cause) {
    throw new TokenizerFileError(
      fileName,
      `tokenizer: "${fileName}" describes no tokenizer that can be made here (${cause instanceof Error ? cause.message : cause}). The file may be damaged: download it again.`,
      { cause },
    );
  }
}

/** White space as Python's `str.strip` has it: with the information separators, without the byte order mark. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the separators are control characters
const outerWhiteSpace = /^[\p{White_Space}\x1c-\x1f]+|[\p{White_Space}\x1c-\x1f]+$/gu;

/**
 * A tokenizer from the files of its folder in a checkpoint: CLIP's byte-pair encoding from `vocab.json` and
 * `merges.txt`, or what a `tokenizer.json` describes (CLIP, T5's unigram, …).
 * @param files the files by name, as text or parsed JSON; those that a folder lacks are left out
 * @throws {TokenizerFileError} if a file is missing or does not hold what it should
 */
export function loadTokenizer(files: TokenizerFiles): Tokenizer {
  const source = readSource(files);
  const library = openLibrary(source);
  const { roles, modelMaxLength } = source.settings;
  const encode = (text: string) => library.encode(text).ids;
  const idOf = (token: AddedToken | undefined) => token && library.token_to_id(token.content);

  // What stands around every text also tells the ids of a `tokenizer.json` that comes without its configuration.
  const around = encode('');
  const bosTokenId = idOf(roles.bos_token) ?? (around.length > 1 ? around[0] : undefined);
  const eosTokenId = idOf(roles.eos_token) ?? around.at(-1);
  const padTokenId = idOf(roles.pad_token) ?? padIdOf(source.json);
  const closing = around[0] === bosTokenId ? around.slice(1) : around;
  const specialIds = new Set(around);
  for (const [id, { special }] of library.get_added_tokens_decoder()) if (special) specialIds.add(id);

  return {
    bosTokenId,
    eosTokenId,
    padTokenId,
    modelMaxLength,
    encode,
    encodePadded(text, length = modelMaxLength) {
      if (length === undefined || !Number.isSafeInteger(length) || length < around.length) {
        throw new InvalidArgumentError(
          `tokenizer.encodePadded: length is ${length}. Give an integer of at least ${around.length}, the special tokens.`,
        );
      }
      const ids = encode(text);
      if (ids.length > length) return [...ids.slice(0, length - closing.length), ...closing];
      if (ids.length < length && padTokenId === undefined) {
        throw new InvalidArgumentError(
          'tokenizer.encodePadded: the files name no pad token. Give the "tokenizer_config.json" that has one.',
        );
      }
      while (ids.length < length) ids.push(padTokenId!);
      return ids;
    },
    decode(ids) {
      for (const id of ids) {
        if (library.id_to_token(id) === undefined) {
          throw new InvalidArgumentError(
            `tokenizer.decode: ${id} is not in the vocabulary. Give ids of this tokenizer.`,
          );
        }
      }
      const textIds = ids.filter((id) => !specialIds.has(id));
      if (textIds.length === 0) return '';
      const text = library.decode(textIds, {
        skip_special_tokens: false,
        clean_up_tokenization_spaces: false,
      });
      return library.model?.end_of_word_suffix ? text.replaceAll(outerWhiteSpace, '') : text;
    },
  };
}

/** The id that a `tokenizer.json` with padding pads with. */
function padIdOf({ padding }: TokenizerSource['json']): number | undefined {
  const id: unknown =
    typeof padding === 'object' && padding !== null && 'pad_id' in padding && padding.pad_id;
  return typeof id === 'number' ? id : undefined;
}
