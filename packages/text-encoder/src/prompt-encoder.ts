// From prompts to what a U-Net attends to: the tokenizer and the text encoder of one model together.
import type { Folder } from '@emulsion/checkpoints';
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import type { Tokenizer } from '@emulsion/tokenizer';
import { clipTokens, openTokenizer } from './clip-tokens.ts';
import { type LoadOptions, loadTextEncoder, type TextEncoder } from './load-text-encoder.ts';

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
  const tokenizer = await openTokenizer(model.subfolder('tokenizer'));
  const textEncoder = await loadTextEncoder(model.subfolder('text_encoder'), options);
  return {
    tokenizer,
    textEncoder,
    encode: (prompts, encodeOptions) => encode(tokenizer, textEncoder, prompts, encodeOptions),
    dispose: () => textEncoder.dispose(),
  };
}

async function encode(
  tokenizer: Tokenizer,
  textEncoder: TextEncoder,
  prompts: readonly string[],
  { clipSkip, truncatePrompt = false, signal }: EncodePromptOptions = {},
): Promise<Tensor> {
  const inputIds = clipTokens(tokenizer, textEncoder.config, prompts, truncatePrompt);
  const { lastHiddenState } = await textEncoder.encode(
    { inputIds, ...(clipSkip !== undefined && { clipSkip }) },
    { signal },
  );
  return lastHiddenState;
}
