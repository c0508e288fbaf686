// A tokenizer and CLIP's text encoder that belong together, and the names that were taught to them.
import type { Folder } from '@emulsion/checkpoints';
import type { Tokenizer } from '@emulsion/tokenizer';
import { clipTokens, openTokenizer } from './clip-tokens.ts';
import { LearnedTokens } from './learned-tokens.ts';
import {
  type LoadOptions,
  loadTextEncoder,
  type TextEncoder,
  type TextEncoderOutputs,
} from './load-text-encoder.ts';
import type { EncodePromptOptions } from './prompt-encoder.ts';

export interface Clip {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: TextEncoder;
  /** Names that stand for vectors of their own. */
  readonly learnedTokens: LearnedTokens;
}

/** Loads the folders `tokenizer` and `text_encoder` of a model, with a suffix such as `_2`. */
export async function loadClip(model: Folder, suffix: string, options: LoadOptions): Promise<Clip> {
  const tokenizer = await openTokenizer(model.subfolder(`tokenizer${suffix}`));
  const textEncoder = await loadTextEncoder(model.subfolder(`text_encoder${suffix}`), options);
  return { tokenizer, textEncoder, learnedTokens: new LearnedTokens(tokenizer, textEncoder.config) };
}

/**
 * Encodes prompts, each padded to the length that the encoder was trained with.
 * @throws {PromptTooLongError} if a prompt has more tokens than the encoder reads, unless it may be cut
 */
export function encodeWithClip(
  clip: Clip,
  prompts: readonly string[],
  { clipSkip, truncatePrompt = false, signal }: EncodePromptOptions,
): Promise<TextEncoderOutputs> {
  return clip.textEncoder.encode(
    {
      inputIds: clipTokens(clip, prompts, truncatePrompt),
      learnedVectors: clip.learnedTokens.vectors(),
      ...(clipSkip !== undefined && { clipSkip }),
    },
    { signal },
  );
}
