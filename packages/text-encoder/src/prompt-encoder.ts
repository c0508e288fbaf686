// From prompts to what a U-Net attends to: the tokenizer and the text encoder of one model together.
import type { Folder } from '@emulsion/checkpoints';
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import type { Tokenizer } from '@emulsion/tokenizer';
import { encodeWithClip, loadClip } from './clip.ts';
import type { LoadOptions, TextEncoder } from './load-text-encoder.ts';
import { PromptEmbeddings } from './prompt-embeddings.ts';

export interface EncodePromptOptions extends Cancellable {
  /** How many of the encoder's last layers are left out; 0 unless said otherwise. */
  readonly clipSkip?: number | undefined;
  /** Cut a prompt that is too long, as diffusers does, instead of refusing it. */
  readonly truncatePrompt?: boolean | undefined;
}

/** Encodes prompts. */
export interface PromptEncoder {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: TextEncoder;
  /** What prompts may name beside words. */
  readonly embeddings: PromptEmbeddings;
  /**
   * Encodes prompts, each padded to the length that the encoder was trained with.
   * @returns `encoderHiddenStates`, `[prompts, sequence, hiddenSize]`
   * @throws {PromptTooLongError} if a prompt has more tokens than the encoder reads, unless it may be cut
   */
  encode(prompts: readonly string[], options?: EncodePromptOptions): Promise<Tensor>;
  dispose(): Promise<void>;
}

/**
 * Loads the folders `tokenizer` and `text_encoder` of a model in diffusers layout.
 * @throws {TokenizerFileError} and the errors of `loadTextEncoder`
 */
export async function loadPromptEncoder(model: Folder, options: LoadOptions): Promise<PromptEncoder> {
  const clip = await loadClip(model, '', options);
  return {
    ...clip,
    embeddings: new PromptEmbeddings([clip]),
    encode: async (prompts, encodeOptions = {}) =>
      (await encodeWithClip(clip, prompts, encodeOptions)).lastHiddenState,
    dispose: () => clip.textEncoder.dispose(),
  };
}
