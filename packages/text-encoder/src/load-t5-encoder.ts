// T5's encoder loaded from its folder, ready to encode.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import { WeightScope } from '@emulsion/nn';
import type { Cancellable, Session } from '@emulsion/runtime';
import { InvalidArgumentError, ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import { distanceBuckets } from './distance-buckets.ts';
import type { LoadOptions } from './load-text-encoder.ts';
import { parseT5Config, type T5Config } from './t5-config.ts';
import { t5EncoderModel } from './t5-encoder-model.ts';

export interface T5Inputs {
  /** Token ids, `[batch, sequence]`, end tokens included. */
  readonly inputIds: Tensor<'int32'>;
  /** 1 for tokens and 0 for padding that no token may see, `[batch, sequence]`. All are seen unless said otherwise. */
  readonly attentionMask?: Tensor | undefined;
}

/** A loaded T5 encoder. */
export interface T5Encoder {
  readonly config: T5Config;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * Token ids to hidden states after the final norm, `[batch, sequence, hiddenSize]`.
   * @throws {ShapeError} if ids and mask are of different shapes, {InvalidArgumentError} if an id is not in the
   * vocabulary
   */
  encode(inputs: T5Inputs, options?: Cancellable): Promise<Tensor>;
  dispose(): Promise<void>;
}

/**
 * Loads the T5 encoder of a diffusers folder: its config.json and its weights where they lie.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if the folder is not one of a T5 encoder,
 * `SessionError` if the device cannot load it
 */
export async function loadT5Encoder(
  folder: Folder,
  { device, signal, variant }: LoadOptions,
): Promise<T5Encoder> {
  const config = parseT5Config('T5 encoder', await readJson(folder, 'config.json'));
  const opened = await openWeights(folder, { ...(variant !== undefined && { variant }) });
  const weights = WeightScope.of('T5 encoder', opened);
  const session = await device.createSession(t5EncoderModel('T5 encoder', config, weights, device.dialect), {
    signal,
  });
  return {
    config,
    // Some checkpoints store the table of tokens twice.
    unusedWeights: weights.unused().filter((name) => name !== 'encoder.embed_tokens.weight'),
    encode: (inputs, options) => encode(session, config, inputs, options),
    dispose: () => session.dispose(),
  };
}

async function encode(
  session: Session,
  config: T5Config,
  { inputIds, attentionMask }: T5Inputs,
  options?: Cancellable,
): Promise<Tensor> {
  const { dims, data } = inputIds;
  const [, sequence] = dims;
  if (dims.length !== 2 || sequence === undefined) {
    throw new ShapeError(
      `T5 encoder: "inputIds" is [${dims.join(', ')}], this model takes [batch, sequence]. Give a row of ids for each prompt.`,
    );
  }
  if (attentionMask && attentionMask.dims.join() !== dims.join()) {
    throw new ShapeError(
      `T5 encoder: "attentionMask" is [${attentionMask.dims.join(', ')}] for ids of [${dims.join(', ')}]. Give a number for each id.`,
    );
  }
  const unknown = data.find((id) => id < 0 || id >= config.vocabSize);
  if (unknown !== undefined) {
    throw new InvalidArgumentError(
      `T5 encoder: token id ${unknown} is not among the ${config.vocabSize} of this model. Use the tokenizer that belongs to it.`,
    );
  }
  const { last_hidden_state } = await session.run(
    {
      input_ids: inputIds,
      distance_buckets: distanceBuckets(sequence, config),
      attention_mask: attentionMask ?? tensor(new Float32Array(data.length).fill(1), dims),
    },
    options,
  );
  return last_hidden_state!;
}
