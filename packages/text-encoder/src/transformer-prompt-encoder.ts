// From prompts to what the transformers of Stable Diffusion 3 (Esser et al. 2024) and Flux are conditioned on.
import type { Folder } from '@emulsion/checkpoints';
import { InvalidArgumentError, type Tensor, zeros } from '@emulsion/tensor';
import type { Tokenizer } from '@emulsion/tokenizer';
import { assertSkip } from './assert-skip.ts';
import { type Clip, encodeWithClip, loadClip } from './clip.ts';
import { clipTokens, openTokenizer } from './clip-tokens.ts';
import { joinTensors, padLastAxis } from './join-tensors.ts';
import { loadT5Encoder, type T5Encoder } from './load-t5-encoder.ts';
import type { LoadOptions } from './load-text-encoder.ts';
import { PromptEmbeddings } from './prompt-embeddings.ts';
import type { EncodePromptOptions } from './prompt-encoder.ts';
import { assertSequenceLength, t5Tokens } from './t5-tokens.ts';

export interface T5EncodePromptOptions extends EncodePromptOptions {
  /** Tokens that T5 reads of a prompt; what is shorter is filled up. CLIP reads the first 77, whatever this says. */
  readonly maxSequenceLength?: number | undefined;
  /** What the second encoder reads, one for each prompt; the prompts unless given. */
  readonly prompts2?: readonly string[] | undefined;
  /** What T5 reads where it is the third encoder; the prompts unless given. */
  readonly prompts3?: readonly string[] | undefined;
}

export interface TransformerPromptEmbeds {
  /** What the transformer's picture and it attend to, `[prompts, sequence, textFeatures]`. */
  readonly promptEmbeds: Tensor;
  /** The prompt as one vector, `[prompts, pooledFeatures]`. */
  readonly pooledPromptEmbeds: Tensor;
}

interface T5 {
  readonly tokenizer: Tokenizer;
  readonly textEncoder: T5Encoder;
}

/** Encodes prompts with CLIP's and T5's encoders. */
export interface TransformerPromptEncoder {
  readonly clips: readonly Clip[];
  /** Missing where the folder of Stable Diffusion 3 has none, which saves most of the memory. */
  readonly t5: T5 | undefined;
  /** What prompts may name beside words. T5 reads the names as words. */
  readonly embeddings: PromptEmbeddings;
  /**
   * Encodes prompts. CLIP's encoders read the beginning of a long one, T5 reads on.
   * @throws {PromptTooLongError} if a prompt has more tokens than T5 reads, or one that T5 does not read than CLIP does,
   * unless it may be cut,
   * {InvalidArgumentError} if there are not as many second or third prompts as prompts, or `clipSkip` is not among the
   * layers
   */
  encode(prompts: readonly string[], options?: T5EncodePromptOptions): Promise<TransformerPromptEmbeds>;
  dispose(): Promise<void>;
}

/**
 * Loads the encoders of Stable Diffusion 3: `text_encoder` and `text_encoder_2` (CLIP), `text_encoder_3` (T5, if there is
 * one), with their tokenizers. `maxSequenceLength` is 256 unless said otherwise.
 * @param textFeatures what the transformer takes a token to have: CLIP's tokens are filled up to it
 * @throws {InvalidArgumentError} if a CLIP encoder has no projection, {TokenizerFileError} and the errors of the loaders
 */
export async function loadSd3PromptEncoder(
  model: Folder,
  { textFeatures, ...options }: LoadOptions & { readonly textFeatures: number },
): Promise<TransformerPromptEncoder> {
  const hasT5 = await model.subfolder('text_encoder_3').has('config.json');
  const encoders = await loadEncoders(model, options, ['', '_2'], hasT5 ? '_3' : undefined);
  const { clips, t5 } = encoders;
  return {
    ...encoders,
    async encode(prompts, encodeOptions = {}) {
      const { maxSequenceLength = 256, clipSkip = 0, truncatePrompt = false, signal } = encodeOptions;
      assertSequenceLength(maxSequenceLength);
      assertSkip(clipSkip, clips);
      const texts = textsOf(prompts, encodeOptions);
      const [tokens, pooled]: [Tensor[], Tensor[]] = [[], []];
      for (const [i, clip] of clips.entries()) {
        // One layer is always left out.
        const clipOptions = { clipSkip: clipSkip + 1, truncatePrompt: true, signal };
        if (!truncatePrompt) assertReadWhole(clip, texts[i]!, t5 && texts[2]);
        const outputs = await encodeWithClip(clip, texts[i]!, clipOptions);
        if (!outputs.textEmbeds) throw new InvalidArgumentError(noProjection);
        tokens.push(outputs.hiddenState);
        pooled.push(outputs.textEmbeds);
      }
      const read = t5
        ? await t5.textEncoder.encode(
            { inputIds: t5Tokens(t5.tokenizer, texts[2], maxSequenceLength, truncatePrompt) },
            { signal },
          )
        : zeros([prompts.length, maxSequenceLength, textFeatures]);
      const beside = padLastAxis(joinTensors(tokens, 2), textFeatures);
      return { promptEmbeds: joinTensors([beside, read], 1), pooledPromptEmbeds: joinTensors(pooled, 1) };
    },
  };
}

const noProjection =
  'text encoder: its checkpoint has no "text_projection.weight", which Stable Diffusion 3 needs. Use the text encoder of the model.';

/**
 * Loads the encoders of Flux: `text_encoder` (CLIP, for the prompt as one vector) and `text_encoder_2` (T5, for its
 * tokens), with their tokenizers. `maxSequenceLength` is 512 unless said otherwise; `clipSkip` changes nothing.
 * @throws {TokenizerFileError} and the errors of the loaders
 */
export async function loadFluxPromptEncoder(
  model: Folder,
  options: LoadOptions,
): Promise<TransformerPromptEncoder> {
  const encoders = await loadEncoders(model, options, [''], '_2');
  const [clip, t5] = [encoders.clips[0]!, encoders.t5!]; // as was asked for
  return {
    ...encoders,
    async encode(prompts, encodeOptions = {}) {
      const { maxSequenceLength = 512, truncatePrompt = false, signal } = encodeOptions;
      const [first, second] = textsOf(prompts, encodeOptions);
      if (!truncatePrompt) assertReadWhole(clip, first, second);
      const { pooled } = await encodeWithClip(clip, first, { truncatePrompt: true, signal });
      const tokens = t5Tokens(t5.tokenizer, second, maxSequenceLength, truncatePrompt);
      const promptEmbeds = await t5.textEncoder.encode({ inputIds: tokens }, { signal });
      return { promptEmbeds, pooledPromptEmbeds: pooled };
    },
  };
}

/**
 * T5 reads on where CLIP ends, if it reads the same.
 * @throws {PromptTooLongError} if CLIP alone reads a text, and not all of it
 */
function assertReadWhole(clip: Clip, texts: readonly string[], t5Texts: readonly string[] | undefined): void {
  clipTokens(
    clip,
    texts.filter((text, row) => t5Texts?.[row] !== text),
    false,
  );
}

/** What each encoder reads. @throws {InvalidArgumentError} if there are not as many as prompts */
function textsOf(
  prompts: readonly string[],
  { prompts2 = prompts, prompts3 = prompts }: T5EncodePromptOptions,
): readonly [readonly string[], readonly string[], readonly string[]] {
  for (const [name, texts] of Object.entries({ prompts2, prompts3 })) {
    if (texts.length !== prompts.length) {
      throw new InvalidArgumentError(
        `${name}: ${texts.length} came for ${prompts.length} prompts. Give one for each, or leave them out.`,
      );
    }
  }
  return [prompts, prompts2, prompts3];
}

/** Loads encoders by the endings of their folders; those that are loaded are freed if another one fails. */
async function loadEncoders(
  model: Folder,
  options: LoadOptions,
  clipSuffixes: readonly string[],
  t5Suffix: string | undefined,
): Promise<Omit<TransformerPromptEncoder, 'encode'>> {
  const clips: Clip[] = [];
  let t5: T5 | undefined;
  const dispose = async () => {
    for (const encoder of [...clips, t5]) await encoder?.textEncoder.dispose();
  };
  try {
    for (const suffix of clipSuffixes) clips.push(await loadClip(model, suffix, options));
    if (t5Suffix !== undefined) {
      t5 = {
        tokenizer: await openTokenizer(model.subfolder(`tokenizer${t5Suffix}`)),
        textEncoder: await loadT5Encoder(model.subfolder(`text_encoder${t5Suffix}`), options),
      };
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { clips, t5, embeddings: new PromptEmbeddings(clips, t5 !== undefined), dispose };
}
