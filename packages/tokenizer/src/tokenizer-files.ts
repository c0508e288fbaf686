// The files of a tokenizer's folder, as transformers writes them: reading, checking, and who overrides whom.
import { TokenizerFileError } from './errors.ts';

/** The files that are read, where a folder has them. */
export const tokenizerFileNames = [
  'tokenizer.json',
  'vocab.json',
  'merges.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
] as const;
export type TokenizerFileName = (typeof tokenizerFileNames)[number];

/** Files by name: their text, or what parsing the JSON ones gave. */
export type TokenizerFiles = { readonly [Name in TokenizerFileName]?: unknown };

/** What special tokens are for, in the order in which transformers adds them. */
const tokenRoles = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;
export type TokenRole = (typeof tokenRoles)[number];

/** A token that is found in the text as it stands, before any splitting. */
export interface AddedToken {
  readonly content: string;
  readonly special: boolean;
  /** Whether it is looked for in the normalized text. */
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** A tokenizer's settings, gathered from its small files. */
export interface TokenizerSettings {
  readonly tokenizerClass: string | undefined;
  /** Longest sequence that the model takes, where a file says so. */
  readonly modelMaxLength: number | undefined;
  readonly roles: { readonly [Role in TokenRole]?: AddedToken };
  /** Tokens that are given with their ids, beside the vocabulary. */
  readonly addedTokens: ReadonlyMap<number, AddedToken>;
}

/** A parsed JSON object. */
export type JsonObject = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object in a JSON file, or undefined where the folder has no such file. */
export function readObject(files: TokenizerFiles, name: TokenizerFileName): JsonObject | undefined {
  let value = files[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch (cause) {
      throw new TokenizerFileError(
        name,
        `tokenizer: "${name}" is not JSON. The file may be cut short: download it again.`,
        { cause },
      );
    }
  }
  if (!isObject(value)) {
    throw new TokenizerFileError(
      name,
      `tokenizer: "${name}" holds no JSON object. Give the file's text or its parsed JSON.`,
    );
  }
  return value;
}

/** Token ids by token, from `vocab.json`. */
export function readVocabulary(files: TokenizerFiles): { readonly [token: string]: number } | undefined {
  const vocabulary = readObject(files, 'vocab.json');
  for (const token in vocabulary) {
    if (!Number.isSafeInteger(vocabulary[token])) {
      throw new TokenizerFileError(
        'vocab.json',
        `tokenizer: "vocab.json" gives ${JSON.stringify(token)} the id ${JSON.stringify(vocabulary[token])}. Give a file that maps tokens to integers.`,
      );
    }
  }
  // Each value was just found to be an integer.
  return vocabulary as { readonly [token: string]: number } | undefined;
}

/** The merge rules of `merges.txt`, first rule first: two tokens a line, with a space between. */
export function readMerges(files: TokenizerFiles): [left: string, right: string][] | undefined {
  const text = files['merges.txt'];
  if (text === undefined) return undefined;
  if (typeof text !== 'string') {
    throw new TokenizerFileError(
      'merges.txt',
      'tokenizer: "merges.txt" came as something other than text. Give its text.',
    );
  }
  const merges: [string, string][] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#version')) continue;
    const [left, right, ...more] = line.split(' ');
    if (!left || !right || more.length > 0) {
      throw new TokenizerFileError(
        'merges.txt',
        `tokenizer: line ${index + 1} of "merges.txt" is ${JSON.stringify(line)}, not two tokens with a space between. The file may be damaged: download it again.`,
      );
    }
    merges.push([left, right]);
  }
  return merges;
}

/** A token as the files write it: its text, or an object with its text as `content`. */
function readToken(value: unknown): AddedToken | undefined {
  if (typeof value === 'string') {
    return { content: value, special: true, normalized: false, lstrip: false, rstrip: false };
  }
  if (!isObject(value) || typeof value.content !== 'string') return undefined;
  const special = value.special !== false;
  return {
    content: value.content,
    special,
    normalized: typeof value.normalized === 'boolean' ? value.normalized : !special,
    lstrip: value.lstrip === true,
    rstrip: value.rstrip === true,
  };
}

/** The settings in `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`. */
export function readSettings(files: TokenizerFiles): TokenizerSettings {
  const config = readObject(files, 'tokenizer_config.json') ?? {};
  const specialTokensMap = readObject(files, 'special_tokens_map.json') ?? {};
  const listed = isObject(config.added_tokens_decoder) ? config.added_tokens_decoder : undefined;
  // The map overrides the configuration, unless the configuration is of the newer kind that lists all added tokens.
  // Stable Diffusion 2 depends on it: its map alone says that it pads with "!".
  const named = listed ? config : { ...config, ...specialTokensMap };

  const roles: { [Role in TokenRole]?: AddedToken } = {};
  for (const role of tokenRoles) {
    const token = readToken(named[role]);
    if (token) roles[role] = token;
  }
  const addedTokens = new Map<number, AddedToken>();
  for (const [id, value] of Object.entries(listed ?? {})) {
    const token = readToken(value);
    if (token) addedTokens.set(Number(id), token);
  }
  for (const [content, id] of Object.entries(readObject(files, 'added_tokens.json') ?? {})) {
    const special = Object.values(roles).some((token) => token.content === content);
    const token = { content, special, normalized: !special, lstrip: false, rstrip: false };
    if (!addedTokens.has(Number(id))) addedTokens.set(Number(id), token);
  }
  const { tokenizer_class: tokenizerClass, model_max_length: modelMaxLength } = config;
  return {
    tokenizerClass: typeof tokenizerClass === 'string' ? tokenizerClass : undefined,
    // transformers writes 1e30 where a model has no limit.
    modelMaxLength: Number.isSafeInteger(modelMaxLength) ? Number(modelMaxLength) : undefined,
    roles,
    addedTokens,
  };
}
