// From prompts to the token ids that CLIP's text encoder reads.
import type { Folder } from '@emulsion/checkpoints';
import { EmulsionError, type Tensor, tensor } from '@emulsion/tensor';
import { loadTokenizer, type Tokenizer, tokenizerFileNames } from '@emulsion/tokenizer';
import type { Clip } from './clip.ts';
import type { LearnedToken } from './learned-tokens.ts';

/** The prompt has more tokens than the text encoder reads. */
export class PromptTooLongError extends EmulsionError {
  static override readonly className = 'PromptTooLongError';
  readonly tokens: number;
  readonly limit: number;

  constructor(tokens: number, limit: number, unread: string) {
    super(
      `The prompt is ${tokens} tokens long, this model reads ${limit}: from "${unread}" on it would be ignored. Shorten it, or have it cut there with truncatePrompt (--truncate-prompt).`,
    );
    this.tokens = tokens;
    this.limit = limit;
  }
}

/**
 * The tokenizer that lies in a folder of a model.
 * @throws {TokenizerFileError} if a file is missing or damaged
 */
export async function openTokenizer(folder: Folder): Promise<Tokenizer> {
  const files: Record<string, string> = {};
  for (const name of tokenizerFileNames) {
    if (await folder.has(name)) files[name] = new TextDecoder().decode(await folder.read(name));
  }
  return loadTokenizer(files);
}

/**
 * Token ids of prompts, each padded to the length that the encoder was trained with: `[prompts, sequence]`.
 * @param truncate cut a prompt that is too long instead of refusing it; the vectors of a name stay together, or go
 * @throws {PromptTooLongError} if a prompt has more tokens than the encoder reads, unless it may be cut
 */
export function clipTokens(
  { tokenizer, textEncoder, learnedTokens }: Clip,
  prompts: readonly string[],
  truncate: boolean,
): Tensor<'int32'> {
  const { maxPositionEmbeddings } = textEncoder.config;
  const length = Math.min(tokenizer.modelMaxLength ?? maxPositionEmbeddings, maxPositionEmbeddings);
  // The start token, the end token and what fills up.
  const [start, ...rest] = tokenizer.encodePadded('', length);
  const rows = prompts.flatMap((prompt) => {
    const tokens = learnedTokens.read(prompt);
    let room = length - 2;
    const cut = tokens.findIndex((token) => {
      room -= typeof token === 'number' ? 1 : token.ids.length;
      return room < 0;
    });
    if (cut >= 0 && !truncate) {
      const unread = textOf(tokenizer, tokens.slice(cut, cut + 8));
      // Start and end token are the model's, not the prompt's.
      throw new PromptTooLongError(idsOf(tokens).length, length - 2, unread);
    }
    const ids = idsOf(cut < 0 ? tokens : tokens.slice(0, cut));
    return [start!, ...ids, ...rest.slice(0, length - 1 - ids.length)];
  });
  return tensor(Int32Array.from(rows), [prompts.length, length]);
}

const idsOf = (tokens: readonly (number | LearnedToken)[]): number[] =>
  tokens.flatMap((token) => (typeof token === 'number' ? [token] : token.ids));

/** Tokens as a text again. */
function textOf(tokenizer: Tokenizer, tokens: readonly (number | LearnedToken)[]): string {
  const texts: string[] = [];
  let words: number[] = [];
  for (const token of tokens) {
    if (typeof token === 'number') {
      words.push(token);
      continue;
    }
    texts.push(tokenizer.decode(words), token.name);
    words = [];
  }
  return [...texts, tokenizer.decode(words)].join(' ').trim();
}
