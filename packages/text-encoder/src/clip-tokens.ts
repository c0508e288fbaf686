// From prompts to the token ids that CLIP's text encoder reads.
import type { Folder } from '@emulsion/checkpoints';
import { EmulsionError, type Tensor, tensor } from '@emulsion/tensor';
import { loadTokenizer, type Tokenizer, tokenizerFileNames } from '@emulsion/tokenizer';
import type { ClipTextConfig } from './clip-config.ts';

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
 * @param truncate cut a prompt that is too long instead of refusing it
 * @throws {PromptTooLongError} if a prompt has more tokens than the encoder reads, unless it may be cut
 */
export function clipTokens(
  tokenizer: Tokenizer,
  { maxPositionEmbeddings }: ClipTextConfig,
  prompts: readonly string[],
  truncate: boolean,
): Tensor<'int32'> {
  const length = Math.min(tokenizer.modelMaxLength ?? maxPositionEmbeddings, maxPositionEmbeddings);
  const ids = new Int32Array(prompts.length * length);
  for (const [row, prompt] of prompts.entries()) {
    const whole = tokenizer.encode(prompt);
    if (whole.length > length && !truncate) {
      const unread = tokenizer.decode(whole.slice(length - 1, length + 7)).trim();
      // Start and end token are the model's, not the prompt's.
      throw new PromptTooLongError(whole.length - 2, length - 2, unread);
    }
    ids.set(tokenizer.encodePadded(prompt, length), row * length);
  }
  return tensor(ids, [prompts.length, length]);
}
