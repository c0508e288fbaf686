// The transformer of Stable Diffusion 3 loaded from its folder, ready to predict.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import {
  type AdaptableNetwork,
  AdaptableSession,
  NetworkWeights,
  timestepFeatures,
  WeightScope,
} from '@emulsion/nn';
import type { Cancellable, Device, RunOptions } from '@emulsion/runtime';
import { ShapeError, type Tensor } from '@emulsion/tensor';
import { assertDims, perSample } from './assert-dims.ts';
import { featureOptions } from './conditions.ts';
import { parseSd3TransformerConfig, type Sd3TransformerConfig } from './sd3-config.ts';
import { sd3Transformer } from './sd3-transformer.ts';
import { transformerSlots } from './transformer-slots.ts';

export interface LoadOptions extends Cancellable {
  readonly device: Device;
  /** A copy of the weights by the word in its file name, for instance `fp16`; see `openWeights`. */
  readonly variant?: string | undefined;
}

export interface Sd3TransformerInputs {
  /** Noisy latents, `[batch, inChannels, height, width]`. */
  readonly sample: Tensor;
  /** One timestep from 0 to 1000 for all samples, or one for each. */
  readonly timestep: number | readonly number[];
  /** The text encoders' tokens, `[batch, sequence, textFeatures]`. */
  readonly encoderHiddenStates: Tensor;
  /** The text as one vector, `[batch, pooledFeatures]`. */
  readonly pooledTextEmbeds: Tensor;
  /** The share of the painting's steps that is done, for adapters whose strength changes on the way; 0 unless given. */
  readonly progress?: number | undefined;
}

/** A loaded transformer. */
export interface Sd3Transformer extends AdaptableNetwork {
  readonly config: Sd3TransformerConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * The velocity of the flow at a noisy sample.
   * @returns `[batch, outChannels, height, width]`
   * @throws {ShapeError} if an input has another shape than the network takes
   */
  predict(inputs: Sd3TransformerInputs, options?: RunOptions): Promise<Tensor>;
  dispose(): Promise<void>;
}

/**
 * Loads the transformer of a diffusers folder: its config.json and its weights where they lie.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if the folder is not one of a transformer that is
 * supported, `SessionError` if the device cannot load it
 */
export async function loadSd3Transformer(
  folder: Folder,
  { device, signal, variant }: LoadOptions,
): Promise<Sd3Transformer> {
  const config = parseSd3TransformerConfig('transformer', await readJson(folder, 'config.json'));
  const opened = await openWeights(folder, { ...(variant !== undefined && { variant }) });
  const network = new NetworkWeights('transformer', folder, opened);
  const weights = WeightScope.of('transformer', network.weights);
  const session = await AdaptableSession.load(
    device,
    (slots) =>
      sd3Transformer('transformer', config, weights, device.dialect, transformerSlots(slots, device)),
    { signal },
  );
  return {
    config,
    unusedWeights: weights.unused(),
    weights: network.weights,
    readWeight: (name) => network.read(name),
    async replaceWeights(replaced, reloadOptions) {
      network.replace(replaced);
      await session.reload(reloadOptions);
    },
    adapt: (adapters, adaptOptions) => session.adapt(adapters, adaptOptions),
    async predict({ sample, timestep, encoderHiddenStates, pooledTextEmbeds, progress = 0 }, options) {
      const batch = sample.dims[0] ?? 0;
      assertDims('sample', sample, [undefined, config.inChannels, undefined, undefined]);
      assertPatches(sample, config);
      assertDims('encoderHiddenStates', encoderHiddenStates, [batch, undefined, config.textFeatures]);
      assertDims('pooledTextEmbeds', pooledTextEmbeds, [batch, config.pooledFeatures]);
      const outputs = await session.run(
        {
          sample,
          timestep_features: timestepFeatures(perSample('timestep', timestep, batch), featureOptions),
          encoder_hidden_states: encoderHiddenStates,
          pooled_text_embeds: pooledTextEmbeds,
        },
        { ...options, progress },
      );
      return outputs.model_output!;
    },
    dispose: () => session.dispose(),
  };
}

function assertPatches({ dims }: Tensor, { patchSize, positions }: Sd3TransformerConfig): void {
  const space = dims.slice(2);
  if (space.every((size) => size > 0 && size % patchSize === 0 && size <= positions * patchSize)) return;
  throw new ShapeError(
    `transformer: the latents are ${space.join('×')}, this model takes multiples of ${patchSize} up to ${positions * patchSize}. Choose another size of picture.`,
  );
}
