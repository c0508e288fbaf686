// From prompts to the token ids that T5's encoder reads.
import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import type { Tokenizer } from '@emulsion/tokenizer';
import { PromptTooLongError } from './clip-tokens.ts';

/**
 * Token ids of prompts, each padded to `length`: `[prompts, length]`.
 * @param truncate cut a prompt that is too long instead of refusing it
 * @throws {InvalidArgumentError} if `length` is no integer of at least 2, {PromptTooLongError} if a prompt has more
 * tokens, unless it may be cut
 */
export function t5Tokens(
  tokenizer: Tokenizer,
  prompts: readonly string[],
  length: number,
  truncate: boolean,
): Tensor<'int32'> {
  assertSequenceLength(length);
  const ids = new Int32Array(prompts.length * length);
  for (const [row, prompt] of prompts.entries()) {
    const whole = tokenizer.encode(prompt);
    if (whole.length > length && !truncate) {
      // The end token is the model's, not the prompt's.
      const unread = tokenizer.decode(whole.slice(length - 1, length + 7)).trim();
      throw new PromptTooLongError(whole.length - 1, length - 1, unread);
    }
    ids.set(tokenizer.encodePadded(prompt, length), row * length);
  }
  return tensor(ids, [prompts.length, length]);
}

/** @throws {InvalidArgumentError} if `length` is no integer of at least 2 */
export function assertSequenceLength(length: number): void {
  if (Number.isInteger(length) && length >= 2) return;
  throw new InvalidArgumentError(`maxSequenceLength is ${length}. Give an integer of at least 2, in tokens.`);
}
