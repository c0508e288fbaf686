// The transformer of Flux loaded from its folder, ready to predict.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import {
  type AdaptableNetwork,
  AdaptableSession,
  NetworkWeights,
  timestepFeatures,
  WeightScope,
} from '@emulsion/nn';
import type { Cancellable } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import { assertDims, perSample } from './assert-dims.ts';
import { featureOptions } from './conditions.ts';
import { type FluxTransformerConfig, parseFluxTransformerConfig } from './flux-config.ts';
import { fluxTransformer } from './flux-transformer.ts';
import type { LoadOptions } from './load-sd3-transformer.ts';
import { rotaryTables } from './rotary-positions.ts';
import { transformerSlots } from './transformer-slots.ts';

export interface FluxTransformerInputs {
  /** Noisy latents as tokens, `[batch, tokens, inFeatures]`; see `packLatents`. */
  readonly sample: Tensor;
  /** The noise level, from 0 to 1, of all samples, or one for each. */
  readonly timestep: number | readonly number[];
  /** The strength of guidance, 3.5 for instance, which models with `config.guidance` need and others do not take. */
  readonly guidance?: number | readonly number[] | undefined;
  /** The text encoder's tokens, `[batch, sequence, textFeatures]`. */
  readonly encoderHiddenStates: Tensor;
  /** The text as one vector, `[batch, pooledFeatures]`. */
  readonly pooledTextEmbeds: Tensor;
  /** Positions of the picture's tokens, `[tokens, 3]`; see `patchPositions`. */
  readonly positions: Tensor;
  /** Positions of the text's tokens, `[sequence, 3]`; zeros unless said otherwise. */
  readonly textPositions?: Tensor | undefined;
  /** The share of the painting's steps that is done, for adapters whose strength changes on the way; 0 unless given. */
  readonly progress?: number | undefined;
}

/** A loaded transformer. */
export interface FluxTransformer extends AdaptableNetwork {
  readonly config: FluxTransformerConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * The velocity of the flow at a noisy sample.
   * @returns `[batch, tokens, outFeatures]`
   * @throws {ShapeError} if an input has another shape than the network takes, {InvalidArgumentError} if guidance is
   * missing or too much
   */
  predict(inputs: FluxTransformerInputs, options?: Cancellable): Promise<Tensor>;
  dispose(): Promise<void>;
}

/** Time and guidance count in thousandths. */
const thousand = 1000;

/**
 * Loads the transformer of a diffusers folder: its config.json and its weights where they lie.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if the folder is not one of a transformer that is
 * supported, `SessionError` if the device cannot load it
 */
export async function loadFluxTransformer(
  folder: Folder,
  { device, signal, variant }: LoadOptions,
): Promise<FluxTransformer> {
  const config = parseFluxTransformerConfig('transformer', await readJson(folder, 'config.json'));
  const opened = await openWeights(folder, { ...(variant !== undefined && { variant }) });
  const network = new NetworkWeights('transformer', folder, opened);
  const weights = WeightScope.of('transformer', network.weights);
  const session = await AdaptableSession.load(
    device,
    (slots) =>
      fluxTransformer('transformer', config, weights, device.dialect, transformerSlots(slots, device)),
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
    async predict(inputs, options) {
      const { model_output } = await session.run(feedsOf(config, inputs), {
        ...options,
        progress: inputs.progress ?? 0,
      });
      return model_output!;
    },
    dispose: () => session.dispose(),
  };
}

function feedsOf(config: FluxTransformerConfig, inputs: FluxTransformerInputs): Record<string, Tensor> {
  const { sample, timestep, guidance, encoderHiddenStates, pooledTextEmbeds, positions } = inputs;
  const [batch = 0, tokens = 0] = sample.dims;
  const [, sequence = 0] = encoderHiddenStates.dims;
  const { textPositions = tensor(new Float32Array(3 * sequence), [sequence, 3]) } = inputs;
  assertDims('sample', sample, [undefined, undefined, config.inFeatures]);
  assertDims('encoderHiddenStates', encoderHiddenStates, [batch, undefined, config.textFeatures]);
  assertDims('pooledTextEmbeds', pooledTextEmbeds, [batch, config.pooledFeatures]);
  assertDims('positions', positions, [tokens, 3]);
  assertDims('textPositions', textPositions, [sequence, 3]);
  if (config.guidance !== (guidance !== undefined)) {
    throw new InvalidArgumentError(
      config.guidance
        ? 'transformer: "guidance" is missing. This model takes the strength of guidance as an input: give a number, for instance 3.5.'
        : 'transformer: "guidance" was given. This model does not take it: leave it out.',
    );
  }
  const features = (name: string, value: number | readonly number[]) =>
    timestepFeatures(
      // Rounded to float32, as the reference's tensors are.
      perSample(name, value, batch).map((number) => Math.fround(Math.fround(number) * thousand)),
      featureOptions,
    );
  const all = tensor(Float32Array.from([...textPositions.data, ...positions.data]), [sequence + tokens, 3]);
  const { cosines, sines } = rotaryTables(all, config.rotaryAxes);
  return {
    sample,
    timestep_features: features('timestep', timestep),
    encoder_hidden_states: encoderHiddenStates,
    pooled_text_embeds: pooledTextEmbeds,
    rotary_cosines: cosines,
    rotary_sines: sines,
    ...(guidance !== undefined && { guidance_features: features('guidance', guidance) }),
  };
}
