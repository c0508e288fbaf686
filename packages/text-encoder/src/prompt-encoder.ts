// From prompts to what a U-Net attends to: the tokenizer and the text encoder of one model together.
import type { Folder } from '@emulsion/checkpoints';
import type { Cancellable } from '@emulsion/runtime';
import { EmulsionError, type Tensor, tensor } from '@emulsion/tensor';
import { loadTokenizer, type Tokenizer, type TokenizerFiles, tokenizerFileNames } from '@emulsion/tokenizer';
import { type LoadOptions, loadTextEncoder, type TextEncoder } from './load-text-encoder.ts';

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
  const tokenizer = loadTokenizer(await readTokenizerFiles(model.subfolder('tokenizer')));
  const textEncoder = await loadTextEncoder(model.subfolder('text_encoder'), options);
  return {
    tokenizer,
    textEncoder,
    encode: (prompts, encodeOptions) => encode(tokenizer, textEncoder, prompts, encodeOptions),
    dispose: () => textEncoder.dispose(),
  };
}

async function readTokenizerFiles(folder: Folder): Promise<TokenizerFiles> {
  const files: Record<string, string> = {};
  for (const name of tokenizerFileNames) {
    if (await folder.has(name)) files[name] = new TextDecoder().decode(await folder.read(name));
  }
  return files;
}

async function encode(
  tokenizer: Tokenizer,
  textEncoder: TextEncoder,
  prompts: readonly string[],
  { clipSkip, truncatePrompt = false, signal }: EncodePromptOptions = {},
): Promise<Tensor> {
  const { maxPositionEmbeddings } = textEncoder.config;
  const length = Math.min(tokenizer.modelMaxLength ?? maxPositionEmbeddings, maxPositionEmbeddings);
  const ids = new Int32Array(prompts.length * length);
  for (const [row, prompt] of prompts.entries()) {
    const whole = tokenizer.encode(prompt);
    if (whole.length > length && !truncatePrompt) {
      const unread = tokenizer.decode(whole.slice(length - 1, length + 7)).trim();
      // Start and end token are the model's, not the prompt's.
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
