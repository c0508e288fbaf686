// A U-Net loaded from its folder, ready to predict.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import {
  type AdaptableNetwork,
  AdapterFeeds,
  type NetworkAdapter,
  NetworkWeights,
  slotsWith,
  unadaptable,
  WeightScope,
  wantedSlots,
} from '@emulsion/nn';
import type { Cancellable, Device, RunOptions } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor, type TensorOps, zeros } from '@emulsion/tensor';
import { assertImageAdapter, type ImagePrompt, imagePromptFeeds, imagePromptSlot } from './image-prompts.ts';
import { intrablockFeeds } from './intrablock-features.ts';
import { loadReadyUnet } from './load-ready-unet.ts';
import { SessionByVariant } from './session-by-variant.ts';
import { unet2dCondition } from './unet-2d-condition.ts';
import { parseUnetConfig, type UnetConfig } from './unet-config.ts';
import { type UnetEncoderInputs, unetEncoderFeeds } from './unet-inputs.ts';

/** What a ControlNet adds to the U-Net. */
export interface ControlResiduals {
  /** One for each skip connection, in the order of the way down: `[batch, channels, …]` as the skip has. */
  readonly downBlockResiduals: readonly Tensor[];
  /** For the middle block's output. */
  readonly midBlockResidual: Tensor;
}

export interface UnetInputs extends UnetEncoderInputs {
  /** The share of the painting's steps that is done, for adapters whose strength changes on the way; 0 unless given. */
  readonly progress?: number | undefined;
  readonly residuals?: ControlResiduals | undefined;
  /**
   * What a T2I-Adapter adds to the features of each block of the way down, and of the middle if there is one more:
   * `[1 or batch, channels, …]` as they are.
   */
  readonly adapterFeatures?: readonly Tensor[] | undefined;
  /** Pictures that the layers attend to beside the text. */
  readonly imagePrompts?: readonly ImagePrompt[] | undefined;
}

/** A loaded U-Net. */
export interface Unet extends AdaptableNetwork {
  readonly config: UnetConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * What the network makes of a noisy sample: noise, velocity or a clean sample, as it was trained.
   * @returns `[batch, outChannels, height, width]`
   * @throws {ShapeError} if an input has another shape than the network takes, {InvalidArgumentError} if one is missing
   * or one that it does not take is given
   */
  predict(inputs: UnetInputs, options?: RunOptions): Promise<Tensor>;
  dispose(): Promise<void>;
}

export interface LoadOptions extends Cancellable {
  readonly device: Device;
  /** A copy of the weights by the word in its file name, for instance `fp16`; see `openWeights`. */
  readonly variant?: string | undefined;
}

/**
 * Loads the U-Net of a diffusers folder: its config.json and its weights where they lie, or the ready-made graph in its
 * model.onnx.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` and `loadReadyUnet` if the folder is not one of a U-Net that is
 * supported, `SessionError` if the device cannot load it
 */
export async function loadUnet(folder: Folder, { device, signal, variant }: LoadOptions): Promise<Unet> {
  const config = parseUnetConfig('unet', await readJson(folder, 'config.json'));
  if (await folder.has('model.onnx')) {
    const ready = await loadReadyUnet(folder, { device, signal });
    return { config, unusedWeights: [], ...unadaptable('unet'), ...ready };
  }
  const stored = await openWeights(folder, { ...(variant !== undefined && { variant }) });
  const network = new NetworkWeights('unet', folder, stored);
  const weights = WeightScope.of('unet', network.weights);
  const sessions = new SessionByVariant(
    device,
    ({ slots, ...variant }) =>
      unet2dCondition('unet', config, weights, device.dialect, {
        ...variant,
        // A graph of a processor has them from the start.
        slots: slotsWith(slots, (module) => device.dialect.branches && isTransformers(module)),
      }),
    2 ** (config.downBlocks.length - 1),
  );
  const adapters = new AdapterFeeds(device);
  await sessions.of({}, { signal });
  return {
    config,
    unusedWeights: weights.unused(),
    weights: network.weights,
    readWeight: (name) => network.read(name),
    async replaceWeights(replaced, options = {}) {
      network.replace(replaced);
      await sessions.forget();
      const { inputs } = await sessions.of({ contexts: [] }, options);
      await adapters.adapt([], inputs);
    },
    async adapt(given, options = {}) {
      const wanted = { slots: wantedSlots(given), contexts: contextsOf(given) };
      const { inputs } = await sessions.of(wanted, options);
      await adapters.adapt(given, inputs);
    },
    predict: (inputs, options) => predict(sessions, adapters, config, device.ops, inputs, options),
    async dispose() {
      await adapters.dispose();
      await sessions.dispose();
    },
  };
}

/** The layers that nearly all LoRAs are made for: those of the transformers. */
const isTransformers = (module: string) => /\.attentions\.\d+\.(transformer_blocks\.|proj_)/.test(module);

const contextsOf = (adapters: readonly NetworkAdapter[]) =>
  adapters.flatMap(({ contexts }) => contexts ?? []);

async function predict(
  sessions: SessionByVariant,
  adapters: AdapterFeeds,
  config: UnetConfig,
  ops: TensorOps,
  inputs: UnetInputs,
  options: RunOptions = {},
): Promise<Tensor> {
  const feeds = unetEncoderFeeds('unet', config, inputs);
  const { sample, progress = 0, residuals, adapterFeatures, imagePrompts } = inputs;
  for (const { attention } of imagePrompts ?? []) assertImageAdapter(config, attention);
  const wanted = {
    dims: sample.dims,
    residuals: residuals !== undefined,
    features: adapterFeatures !== undefined,
    contexts: contextsOf(adapters.adapters),
    ...(imagePrompts && { imagePrompts: imagePrompts.map(imagePromptSlot) }),
  };
  const loaded = await sessions.of(wanted, options);
  const { variant } = loaded;
  const added = {
    ...(variant.residuals && residualFeeds(config, residuals)),
    ...(variant.features && intrablockFeeds(config, adapterFeatures, sample.dims)),
    ...imagePromptFeeds(config, variant.imagePrompts, imagePrompts, sample.dims, ops),
  };
  const outputs = await adapters.run(loaded, { ...feeds, ...added }, { ...options, progress });
  return outputs.model_output!;
}

/** Skip connections of a U-Net: one after the first convolution, after each layer, and after each halving. */
const skipCount = ({ downBlocks }: UnetConfig) =>
  downBlocks.reduce((count, { layers }) => count + layers + 1, 0);

function residualFeeds(config: UnetConfig, residuals: ControlResiduals | undefined): Record<string, Tensor> {
  const count = skipCount(config);
  // Where nothing is to be added, one 0 is, to all elements.
  const down = residuals?.downBlockResiduals ?? Array.from({ length: count }, () => zeros([1, 1, 1, 1]));
  const middle = residuals?.midBlockResidual ?? zeros([1, 1, 1, 1]);
  if (down.length !== count) {
    throw new InvalidArgumentError(
      `unet: ${down.length} residuals came for ${count} skip connections. Use a ControlNet that was trained for this model.`,
    );
  }
  return {
    ...Object.fromEntries(down.map((residual, i) => [`down_block_residual_${i}`, residual])),
    mid_block_residual: middle,
  };
}
