// A U-Net loaded from its folder, ready to predict.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import { WeightScope } from '@emulsion/nn';
import type { Cancellable, Device } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor, zeros } from '@emulsion/tensor';
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
  readonly residuals?: ControlResiduals | undefined;
}

/** A loaded U-Net. */
export interface Unet {
  readonly config: UnetConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * What the network makes of a noisy sample: noise, velocity or a clean sample, as it was trained.
   * @returns `[batch, outChannels, height, width]`
   * @throws {ShapeError} if an input has another shape than the network takes, {InvalidArgumentError} if one is missing
   * or one that it does not take is given
   */
  predict(inputs: UnetInputs, options?: Cancellable): Promise<Tensor>;
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
    return { config, unusedWeights: [], ...(await loadReadyUnet(folder, { device, signal })) };
  }
  const weights = WeightScope.of(
    'unet',
    await openWeights(folder, { ...(variant !== undefined && { variant }) }),
  );
  const sessions = new SessionByVariant(
    (wanted, options) =>
      device.createSession(unet2dCondition('unet', config, weights, device.dialect, wanted), options),
    2 ** (config.downBlocks.length - 1),
  );
  await sessions.load({ sizes: 'halvable', residuals: false }, { signal });
  return {
    config,
    unusedWeights: weights.unused(),
    predict: (inputs, options) => predict(sessions, config, inputs, options),
    dispose: () => sessions.dispose(),
  };
}

async function predict(
  sessions: SessionByVariant,
  config: UnetConfig,
  inputs: UnetInputs,
  options: Cancellable = {},
): Promise<Tensor> {
  const feeds = unetEncoderFeeds('unet', config, inputs);
  const { session, residuals } = await sessions.of(
    inputs.sample.dims,
    inputs.residuals !== undefined,
    options,
  );
  const added = residuals ? residualFeeds(config, inputs.residuals) : {};
  const outputs = await session.run({ ...feeds, ...added }, options);
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
