// Prompts to what the U-Net attends to.
import type { Cancellable } from '@emulsion/runtime';
import { type Tensor, tensor } from '@emulsion/tensor';
import type { TextEncoder } from '@emulsion/text-encoder';
import type { Tokenizer } from '@emulsion/tokenizer';
import { PromptTooLongError } from './errors.ts';

export interface EncodePromptOptions extends Cancellable {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: TextEncoder;
  /** How many of the encoder's last layers are left out. */
  readonly clipSkip?: number | undefined;
  /** Cut a prompt that is too long, instead of refusing it. */
  readonly truncatePrompt?: boolean | undefined;
}

/**
 * Encodes prompts, each padded to the length that the encoder was trained with.
 * @returns `[prompts, sequence, hiddenSize]`
 * @throws {PromptTooLongError} if a prompt has more tokens than the encoder reads, unless it may be cut
 */
export async function encodePrompts(
  prompts: readonly string[],
  options: EncodePromptOptions,
): Promise<Tensor> {
  const { tokenizer, textEncoder, clipSkip, truncatePrompt = false, signal } = options;
  const { maxPositionEmbeddings } = textEncoder.config;
  const length = Math.min(tokenizer.modelMaxLength ?? maxPositionEmbeddings, maxPositionEmbeddings);
  const ids = new Int32Array(prompts.length * length);
  for (const [row, prompt] of prompts.entries()) {
    const whole = tokenizer.encode(prompt);
    if (whole.length > length && !truncatePrompt) {
      const unread = tokenizer.decode(whole.slice(length - 1, length + 7)).trim();
      throw new PromptTooLongError(whole.length - 2, length - 2, unread);
    }
    ids.set(tokenizer.encodePadded(prompt, length), row * length);
  }
  const inputIds = tensor(ids, [prompts.length, length]);
  const { lastHiddenState } = await textEncoder.encode(
    { inputIds, ...(clipSkip !== undefined && { clipSkip }) },
    { signal },
  );
  return lastHiddenState;
}
