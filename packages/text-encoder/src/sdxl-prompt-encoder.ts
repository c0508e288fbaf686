// From prompts to what the U-Net of Stable Diffusion XL (Podell et al. 2023) is conditioned on.
import type { Folder } from '@emulsion/checkpoints';
import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import type { Tokenizer } from '@emulsion/tokenizer';
import { assertSkip } from './assert-skip.ts';
import { type Clip, encodeWithClip, loadClip } from './clip.ts';
import type { LoadOptions, TextEncoder, TextEncoderOutputs } from './load-text-encoder.ts';
import { PromptEmbeddings } from './prompt-embeddings.ts';
import type { EncodePromptOptions } from './prompt-encoder.ts';

export interface SdxlEncodePromptOptions extends EncodePromptOptions {
  /** What the second encoder reads, one for each prompt; the prompts unless given. A refiner has one encoder, and ignores it. */
  readonly prompts2?: readonly string[] | undefined;
}

export interface SdxlPromptEmbeds {
  /** What pixels attend to, the encoders' hidden states side by side: `[prompts, sequence, all hiddenSizes]`. */
  readonly promptEmbeds: Tensor;
  /** The last encoder's projected text, for `addedConditions.textEmbeds`: `[prompts, projectionDim]`. */
  readonly pooledPromptEmbeds: Tensor;
}

/** Encodes prompts with both encoders of a base model, or the one of a refiner. */
export interface SdxlPromptEncoder {
  readonly encoders: readonly { readonly tokenizer: Tokenizer; readonly textEncoder: TextEncoder }[];
  /** What prompts may name beside words. */
  readonly embeddings: PromptEmbeddings;
  /**
   * Encodes prompts, each padded to the length that the encoders were trained with. Hidden states are those before the
   * last layer, before the final norm; `clipSkip` leaves out that many more.
   * @throws {PromptTooLongError} if a prompt has more tokens than an encoder reads, unless it may be cut,
   * {InvalidArgumentError} if there are not as many second prompts as prompts, or `clipSkip` is not among the layers
   */
  encode(prompts: readonly string[], options?: SdxlEncodePromptOptions): Promise<SdxlPromptEmbeds>;
  dispose(): Promise<void>;
}

/**
 * Loads the folders `tokenizer`, `text_encoder`, `tokenizer_2` and `text_encoder_2` of a model in diffusers layout; the
 * first two are not there in a refiner.
 * @throws {InvalidArgumentError} if the last encoder has no projection, {TokenizerFileError} and the errors of
 * `loadTextEncoder`
 */
export async function loadSdxlPromptEncoder(model: Folder, options: LoadOptions): Promise<SdxlPromptEncoder> {
  const encoders: Clip[] = [];
  const dispose = async () => {
    for (const { textEncoder } of encoders) await textEncoder.dispose();
  };
  try {
    for (const suffix of ['', '_2']) {
      const folder = model.subfolder(`text_encoder${suffix}`);
      if (suffix === '' && !(await folder.has('config.json'))) continue;
      encoders.push(await loadClip(model, suffix, options));
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    encoders,
    embeddings: new PromptEmbeddings(encoders),
    encode: (prompts, encodeOptions) => encode(encoders, prompts, encodeOptions),
    dispose,
  };
}

async function encode(
  encoders: readonly Clip[],
  prompts: readonly string[],
  { prompts2 = prompts, clipSkip = 0, truncatePrompt = false, signal }: SdxlEncodePromptOptions = {},
): Promise<SdxlPromptEmbeds> {
  if (prompts2.length !== prompts.length) {
    throw new InvalidArgumentError(
      `prompts2: ${prompts2.length} came for ${prompts.length} prompts. Give one for each, or leave them out.`,
    );
  }
  assertSkip(clipSkip, encoders);
  const outputs: TextEncoderOutputs[] = [];
  for (const [i, clip] of encoders.entries()) {
    const texts = i === 0 ? prompts : prompts2;
    outputs.push(await encodeWithClip(clip, texts, { clipSkip: clipSkip + 1, truncatePrompt, signal }));
  }
  const { textEmbeds } = outputs.at(-1)!; // there is always the second
  if (!textEmbeds) {
    throw new InvalidArgumentError(
      'text_encoder_2: its checkpoint has no "text_projection.weight", which Stable Diffusion XL needs. Use the text encoder of the model.',
    );
  }
  return {
    promptEmbeds: besideEachOther(outputs.map(({ hiddenState }) => hiddenState)),
    pooledPromptEmbeds: textEmbeds,
  };
}

/** Tensors `[batch, sequence, …]` joined along the last axis. */
function besideEachOther(parts: readonly Tensor[]): Tensor {
  const [batch = 0, sequence = 0] = parts[0]!.dims;
  const width = parts.reduce((sum, { dims }) => sum + dims[2]!, 0);
  const joined = new Float32Array(batch * sequence * width);
  let start = 0;
  for (const { data, dims } of parts) {
    const own = dims[2]!;
    for (let token = 0; token < batch * sequence; token++)
      joined.set(data.subarray(token * own, (token + 1) * own), token * width + start);
    start += own;
  }
  return tensor(joined, [batch, sequence, width]);
}
