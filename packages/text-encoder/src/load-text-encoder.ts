// CLIP's text encoder loaded from its folder, ready to encode.
import { type Folder, openOnnx, openWeights, readJson } from '@emulsion/checkpoints';
import {
  type AdaptableNetwork,
  AdaptableSession,
  NetworkWeights,
  slotsWith,
  unadaptable,
  WeightScope,
} from '@emulsion/nn';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { InvalidArgumentError, ShapeError, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { type ClipTextConfig, parseClipTextConfig } from './clip-config.ts';
import { clipTextModel } from './clip-text-model.ts';
import { readyClipModel } from './ready-clip.ts';

export interface TextEncoderInputs {
  /** Token ids, `[batch, sequence]`, start and end tokens included. */
  readonly inputIds: Tensor<'int32'>;
  /** What the ids from the vocabulary's size on stand for, `[vectors, hiddenSize]`; there are no such ids unless given. */
  readonly learnedVectors?: Tensor;
  /** How many of the last layers are left out, 0 unless said otherwise. A1111 counts one more than this. */
  readonly clipSkip?: number;
}

export interface TextEncoderOutputs {
  /** Hidden states of the last layer that is not skipped, after the final layer norm: `[batch, sequence, hiddenSize]`. */
  readonly lastHiddenState: Tensor;
  /** The same before the final layer norm. */
  readonly hiddenState: Tensor;
  /** The last layer of all, normalized, at the end token: `[batch, hiddenSize]`. */
  readonly pooled: Tensor;
  /** `pooled` projected to `[batch, projectionDim]`, if the checkpoint has a projection. */
  readonly textEmbeds?: Tensor;
}

/** A loaded text encoder. */
export interface TextEncoder extends AdaptableNetwork {
  readonly config: ClipTextConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * Token ids to hidden states.
   * @throws {ShapeError} if the sequence is too long or the vectors of another width, {InvalidArgumentError} if an id is
   * not in the vocabulary or `clipSkip` not among the layers
   */
  encode(inputs: TextEncoderInputs, options?: Cancellable): Promise<TextEncoderOutputs>;
  dispose(): Promise<void>;
}

export interface LoadOptions extends Cancellable {
  readonly device: Device;
  /** A copy of the weights by the word in its file name, for instance `fp16`; see `openWeights`. */
  readonly variant?: string | undefined;
}

/**
 * Loads the text encoder of a diffusers folder: its config.json and its weights where they lie, or the ready-made graph
 * in its model.onnx.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` and `openOnnx` if the folder is not one of a text encoder that
 * is supported, `SessionError` if the device cannot load it
 */
export async function loadTextEncoder(
  folder: Folder,
  { device, signal, variant }: LoadOptions,
): Promise<TextEncoder> {
  const config = parseClipTextConfig('text encoder', await readJson(folder, 'config.json'));
  if (await folder.has('model.onnx')) return loadReadyMade(folder, config, { device, signal });
  const stored = await openWeights(folder, { ...(variant !== undefined && { variant }) });
  const network = new NetworkWeights('text encoder', folder, stored);
  const weights = WeightScope.of('text encoder', network.weights);
  // A graph of a processor has slots for LoRAs from the start.
  const isCheap = (module: string) => device.dialect.branches && module.includes('encoder.layers.');
  const session = await AdaptableSession.load(
    device,
    (slots) => clipTextModel('text encoder', config, weights, device.dialect, slotsWith(slots, isCheap)),
    { signal },
  );
  return {
    config,
    weights: network.weights,
    readWeight: (name) => network.read(name),
    async replaceWeights(replaced, reloadOptions) {
      network.replace(replaced);
      await session.reload(reloadOptions);
    },
    adapt: (adapters, options) => session.adapt(adapters, options),
    // Old checkpoints store the positions 0, 1, 2, …
    unusedWeights: weights.unused().filter((name) => !name.endsWith('embeddings.position_ids')),
    encode: (inputs, options) => encode(session, config, inputs, options),
    dispose: () => session.dispose(),
  };
}

async function loadReadyMade(
  folder: Folder,
  config: ClipTextConfig,
  { device, signal }: LoadOptions,
): Promise<TextEncoder> {
  const { model, skipsLayers, learnsTokens } = readyClipModel(
    'text encoder',
    await openOnnx(folder, 'model.onnx'),
    config,
  );
  const session = await device.createSession(model, { signal });
  return {
    config,
    unusedWeights: [],
    ...unadaptable('text encoder'),
    async encode(inputs, options) {
      if (inputs.clipSkip && !skipsLayers) {
        throw new InvalidArgumentError(
          `text encoder: clipSkip is ${inputs.clipSkip}, and this model's graph gives its last layer alone. Leave clipSkip out, or export the model with its hidden states.`,
        );
      }
      if (!learnsTokens && inputs.inputIds.data.some((id) => id >= config.vocabSize)) {
        throw new InvalidArgumentError(
          "text encoder: this model's graph has no table of tokens that embeddings could be added to. Leave them out, or use the model's weights.",
        );
      }
      return encode(session, config, inputs, options);
    },
    dispose: () => session.dispose(),
  };
}

async function encode(
  session: Pick<Session, 'run'>,
  config: ClipTextConfig,
  { inputIds, learnedVectors, clipSkip = 0 }: TextEncoderInputs,
  options?: Cancellable,
): Promise<TextEncoderOutputs> {
  const { layers, vocabSize, maxPositionEmbeddings, hiddenSize } = config;
  const [batch, sequence] = inputIds.dims;
  if (
    batch === undefined ||
    sequence === undefined ||
    inputIds.dims.length !== 2 ||
    sequence > maxPositionEmbeddings
  ) {
    throw new ShapeError(
      `text encoder: "inputIds" is [${inputIds.dims.join(', ')}], this model takes [batch, at most ${maxPositionEmbeddings}]. Shorten the prompt.`,
    );
  }
  if (!Number.isInteger(clipSkip) || clipSkip < 0 || clipSkip >= layers) {
    throw new InvalidArgumentError(
      `text encoder: clipSkip is ${clipSkip}, this model has ${layers} layers. Give an integer from 0 to ${layers - 1}.`,
    );
  }
  const [learnedCount = 0, width] = learnedVectors?.dims ?? [];
  if (learnedVectors && (learnedVectors.dims.length !== 2 || width !== hiddenSize)) {
    throw new ShapeError(
      `text encoder: "learnedVectors" is [${learnedVectors.dims.join(', ')}], this model takes [vectors, ${hiddenSize}]. Take embeddings that were trained for it.`,
    );
  }
  const known = vocabSize + learnedCount;
  const stranger = inputIds.data.find((id) => id < 0 || id >= known);
  if (stranger !== undefined) {
    throw new InvalidArgumentError(
      `text encoder: token id ${stranger} is not among the ${known} of this model. Use the tokenizer that belongs to it.`,
    );
  }
  const outputs = await session.run(
    {
      input_ids: inputIds,
      // A graph takes no tensor without elements.
      learned_vectors:
        learnedVectors && learnedCount > 0 ? learnedVectors : zeros([1, hiddenSize], 'float32'),
      layer: tensor(Int32Array.of(layers - clipSkip), [1]),
      end_positions: tensor(endPositions(inputIds.data, batch, sequence, config.eosTokenId), [batch]),
    },
    options,
  );
  const { text_embeds: textEmbeds } = outputs;
  return {
    lastHiddenState: outputs.last_hidden_state!,
    hiddenState: outputs.hidden_state!,
    pooled: outputs.pooled!,
    ...(textEmbeds && { textEmbeds }),
  };
}

/** Index of the first end token of each row in the flattened ids; of its largest id where the configuration is an old one. */
function endPositions(ids: Int32Array, batch: number, sequence: number, eosTokenId: number): Int32Array {
  return Int32Array.from({ length: batch }, (_, row) => {
    const tokens = ids.subarray(row * sequence, (row + 1) * sequence);
    const end = eosTokenId === 2 ? Math.max(...tokens) : eosTokenId;
    // transformers takes the argmax of a comparison, which is 0 where nothing equals.
    return row * sequence + Math.max(tokens.indexOf(end), 0);
  });
}
