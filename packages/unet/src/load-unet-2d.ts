// A U-Net without text loaded from its folder, ready to predict.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import { WeightScope } from '@emulsion/nn';
import type { RunOptions } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import { loadReadyUnet } from './load-ready-unet.ts';
import type { LoadOptions } from './load-unet.ts';
import { SessionByVariant } from './session-by-variant.ts';
import { unet2d } from './unet-2d.ts';
import { parseUnet2dConfig, type Unet2dConfig } from './unet-2d-config.ts';
import { type Unet2dInputs, unetEncoderFeeds } from './unet-inputs.ts';

/** A loaded U-Net without text. */
export interface Unet2d {
  readonly config: Unet2dConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * What the network makes of a noisy sample, as it was trained.
   * @returns `[batch, outChannels, height, width]`
   * @throws {ShapeError} if an input has another shape than the network takes, {InvalidArgumentError} if class labels are
   * missing or not taken
   */
  predict(inputs: Unet2dInputs, options?: RunOptions): Promise<Tensor>;
  dispose(): Promise<void>;
}

/**
 * Loads the folder of diffusers' UNet2DModel: its config.json and its weights where they lie, or the ready-made graph in
 * its model.onnx.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` and `loadReadyUnet` if the folder is not one of a U-Net that is
 * supported, `SessionError` if the device cannot load it
 */
export async function loadUnet2d(folder: Folder, { device, signal, variant }: LoadOptions): Promise<Unet2d> {
  const config = parseUnet2dConfig('unet', await readJson(folder, 'config.json'));
  if (await folder.has('model.onnx')) {
    return { config, unusedWeights: [], ...(await loadReadyUnet(folder, { device, signal })) };
  }
  const weights = WeightScope.of(
    'unet',
    await openWeights(folder, { ...(variant !== undefined && { variant }) }),
  );
  const sessions = new SessionByVariant(
    device,
    ({ sizes }) => unet2d('unet', config, weights, device.dialect, sizes),
    2 ** (config.downBlocks.length - 1),
  );
  await sessions.of({}, { signal });
  return {
    config,
    unusedWeights: weights.unused(),
    predict: async (inputs, options = {}) => {
      const feeds = unetEncoderFeeds('unet', config, inputs);
      const { session } = await sessions.of({ dims: inputs.sample.dims }, options);
      return (await session.run(feeds, options)).model_output!;
    },
    dispose: () => sessions.dispose(),
  };
}
