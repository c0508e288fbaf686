// A ControlNet loaded from its folder, ready to be asked for residuals.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import { WeightScope } from '@emulsion/nn';
import type { RunOptions, Session } from '@emulsion/runtime';
import { ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import {
  assertDims,
  type ControlResiduals,
  type LoadOptions,
  type UnetEncoderInputs,
  unetEncoderFeeds,
} from '@emulsion/unet';
import { controlNet } from './control-net.ts';
import { type ControlNetConfig, parseControlNetConfig } from './controlnet-config.ts';

export interface ControlNetInputs extends UnetEncoderInputs {
  /** What is followed: edges, depths, poses, as the network was trained; `[1 or batch, channels, height, width]` in pixels, 0 to 1. */
  readonly controlnetCond: Tensor;
  /** How much it is followed; 0 is not at all, 1 unless said otherwise. */
  readonly conditioningScale?: number | undefined;
  /** Follow it without help of a prompt: the finest residuals count a tenth, the middle one fully; false unless said otherwise. */
  readonly guessMode?: boolean | undefined;
}

/** A loaded ControlNet. */
export interface ControlNet {
  readonly config: ControlNetConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * What is to be added to the U-Net's skip connections and middle, for the same sample, timestep and text.
   * @throws {ShapeError} if an input has another shape than the network takes, {InvalidArgumentError} if one is missing
   * or one that it does not take is given
   */
  predict(inputs: ControlNetInputs, options?: RunOptions): Promise<ControlResiduals>;
  dispose(): Promise<void>;
}

/**
 * Loads the folder of a ControlNet in diffusers layout: its config.json and its weights where they lie.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if the folder is not one of a ControlNet that is
 * supported, `SessionError` if the device cannot load it
 */
export async function loadControlNet(
  folder: Folder,
  { device, signal, variant }: LoadOptions,
): Promise<ControlNet> {
  const config = parseControlNetConfig('controlnet', await readJson(folder, 'config.json'));
  const weights = WeightScope.of(
    'controlnet',
    await openWeights(folder, { ...(variant !== undefined && { variant }) }),
  );
  const model = controlNet('controlnet', config, weights, device.dialect);
  const session = await device.createSession(model, { signal });
  return {
    config,
    unusedWeights: weights.unused(),
    predict: (inputs, options) => predict(session, config, inputs, options),
    dispose: () => session.dispose(),
  };
}

async function predict(
  session: Session,
  config: ControlNetConfig,
  inputs: ControlNetInputs,
  options?: RunOptions,
): Promise<ControlResiduals> {
  const feeds = unetEncoderFeeds('controlnet', config, inputs);
  const { controlnetCond } = inputs;
  assertPicture(config, controlnetCond, inputs.sample);
  // One after the first convolution, after each layer and each halving, and one for the middle.
  const downCount = config.downBlocks.reduce((count, { layers }) => count + layers + 1, 0);
  const scales = tensor(residualScales(config, inputs, downCount + 1), [downCount + 1]);
  const outputs = await session.run({ ...feeds, controlnet_cond: controlnetCond, scales }, options);
  return {
    downBlockResiduals: Array.from({ length: downCount }, (_, i) => outputs[`down_block_residual_${i}`]!),
    midBlockResidual: outputs.mid_block_residual!,
  };
}

function assertPicture(config: ControlNetConfig, picture: Tensor, { dims }: Tensor): void {
  const [batch = 1, , height = 0, width = 0] = dims;
  const scale = 2 ** (config.conditioningEmbeddingChannels.length - 1);
  const pictures = picture.dims[0] === 1 ? 1 : batch;
  const wanted = [pictures, config.conditioningChannels, scale * height, scale * width];
  try {
    assertDims('controlnet', 'controlnetCond', picture, wanted);
  } catch (cause) {
    throw new ShapeError(
      `controlnet: "controlnetCond" is [${picture.dims.join(', ')}], for samples of [${dims.join(', ')}] it must be [${wanted.join(', ')}]. Resize the picture to follow.`,
      { cause },
    );
  }
}

/** What each residual is multiplied by: one scale, or, in guess mode, a tenth of it rising to all of it. */
function residualScales(
  { globalPoolConditions }: ControlNetConfig,
  { conditioningScale = 1, guessMode = false }: ControlNetInputs,
  count: number,
): Float32Array {
  const rises = guessMode && !globalPoolConditions;
  return Float32Array.from(
    { length: count },
    (_, i) => conditioningScale * (rises ? 10 ** (i / (count - 1) - 1) : 1),
  );
}
