// The tokenizer of CLIP (Radford et al. 2021) as the `tokenizer.json` that transformers makes of vocabulary and merges.
import { TokenizerFileError } from './errors.ts';
import type { AddedToken, TokenizerSettings } from './tokenizer-files.ts';

const startOfText: AddedToken = {
  content: '<|startoftext|>',
  special: true,
  normalized: false,
  lstrip: false,
  rstrip: false,
};
const endOfText: AddedToken = { ...startOfText, content: '<|endoftext|>' };

/** The special tokens of CLIP, where the files name none. */
export const clipRoles = {
  bos_token: startOfText,
  eos_token: endOfText,
  unk_token: endOfText,
  pad_token: endOfText,
} satisfies TokenizerSettings['roles'];

/** Words: the special tokens, contractions, runs of letters, single digits, runs of anything else but white space. */
const wordPattern =
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/**
 * A `tokenizer.json` object: lower-cased byte-pair encoding with `</w>` at the end of each word, between a start and
 * an end token.
 * @param vocabulary token ids by token
 * @param merges merge rules, the first applied first
 * @param roles special tokens by role
 * @param addedTokens more tokens, by id
 * @throws {TokenizerFileError} if a special token has no id
 */
export function clipTokenizerJson(
  vocabulary: { readonly [token: string]: number },
  merges: readonly (readonly [left: string, right: string])[],
  roles: TokenizerSettings['roles'] & typeof clipRoles,
  addedTokens: ReadonlyMap<number, AddedToken>,
): { readonly [key: string]: unknown } {
  const all = new Map<string, AddedToken & { id: number }>();
  for (const [id, token] of addedTokens) all.set(token.content, { ...token, id });
  for (const [role, token] of Object.entries(roles)) {
    // A token that is listed with its id keeps what the list says of it.
    const listed = [...addedTokens.values()].some(({ content }) => content === token.content);
    if (listed) continue;
    if (!Object.hasOwn(vocabulary, token.content)) {
      throw new TokenizerFileError(
        'vocab.json',
        `tokenizer: "vocab.json" has no ${JSON.stringify(token.content)}, which is the ${role}. Give the files of one tokenizer, all from the same folder.`,
      );
    }
    all.set(token.content, { ...token, id: vocabulary[token.content]! });
  }

  const withId = ({ content }: AddedToken) => [content, all.get(content)?.id];
  return {
    added_tokens: [...all.values()],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: wordPattern }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
      ],
    },
    post_processor: { type: 'RobertaProcessing', cls: withId(roles.bos_token), sep: withId(roles.eos_token) },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      unk_token: roles.unk_token.content,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      vocab: vocabulary,
      merges,
    },
  };
}
