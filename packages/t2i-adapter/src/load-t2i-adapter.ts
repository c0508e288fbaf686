// A T2I-Adapter loaded from its folder or file, ready to be asked for features.
import {
  type Folder,
  openPytorch,
  openSafetensors,
  openWeights,
  readJson,
  type Weights,
} from '@emulsion/checkpoints';
import { WeightScope } from '@emulsion/nn';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import { renameOriginal } from './original-names.ts';
import { pixelUnshuffle } from './pixel-unshuffle.ts';
import { t2iAdapter } from './t2i-adapter.ts';
import { adapterBlocks, parseT2iAdapterConfig, type T2iAdapterConfig } from './t2i-adapter-config.ts';

/** A loaded T2I-Adapter. */
export interface T2iAdapter {
  readonly config: T2iAdapterConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * What is to be added to the U-Net's features, in all steps the same.
   * @param picture what is followed, `[pictures, channels, height, width]` in pixels, 0 to 1; colours become grey for an
   * adapter of one channel
   * @returns one for each resolution, `[pictures, channels, …]`
   * @throws {ShapeError} if the picture has other channels, or its height and width are no multiples of the
   * configuration's `downscaleFactor`
   */
  features(picture: Tensor, options?: Cancellable): Promise<Tensor[]>;
  dispose(): Promise<void>;
}

export interface LoadT2iAdapterOptions extends Cancellable {
  readonly device: Device;
  /** A copy of the weights by the word in its file name, for instance `fp16`; see `openWeights`. */
  readonly variant?: string | undefined;
  /** The adapter's file in the folder, as TencentARC published it, where there is no config.json. */
  readonly file?: string | undefined;
}

/**
 * Loads a T2I-Adapter: the folder of diffusers' T2IAdapter, or a `.safetensors` or `.pth` with the original names.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if it is not one of a T2I-Adapter,
 * `SessionError` if the device cannot load it
 */
export async function loadT2iAdapter(
  folder: Folder,
  { device, signal, variant, file }: LoadT2iAdapterOptions,
): Promise<T2iAdapter> {
  const name = 't2i-adapter';
  const stored =
    file === undefined
      ? await openWeights(folder, { ...(variant && { variant }) })
      : await openFile(folder, file);
  const { config, weights } = renameOriginal(name, stored) ?? {
    config: parseT2iAdapterConfig(name, await readJson(folder, 'config.json')),
    weights: stored,
  };
  const scope = WeightScope.of(name, weights);
  const session = await device.createSession(t2iAdapter(name, config, scope, device.dialect), { signal });
  return {
    config,
    unusedWeights: scope.unused(),
    features: (picture, options) => features(session, config, picture, options),
    dispose: () => session.dispose(),
  };
}

const openFile = (folder: Folder, file: string): Promise<Weights> =>
  (file.endsWith('.safetensors') ? openSafetensors : openPytorch)(folder, file);

async function features(
  session: Session,
  config: T2iAdapterConfig,
  picture: Tensor,
  options?: Cancellable,
): Promise<Tensor[]> {
  const { inChannels, downscaleFactor } = config;
  const { dims } = picture;
  const isGreyWanted = inChannels === 1 && dims.length === 4 && dims[1] === 3;
  const fits = dims.length === 4 && dims.slice(2).every((size) => size % downscaleFactor === 0);
  if (!fits || !(isGreyWanted || dims[1] === inChannels)) {
    throw new ShapeError(
      `t2i-adapter: the picture is [${dims.join(', ')}], this adapter takes [any, ${inChannels}, height, width] with multiples of ${downscaleFactor}. Resize the picture to follow, or give one of its kind.`,
    );
  }
  const followed = isGreyWanted ? toGrey(picture) : picture;
  const outputs = await session.run({ unshuffled: pixelUnshuffle(followed, downscaleFactor) }, options);
  return adapterBlocks(config).map((_, i) => outputs[`feature_${i}`]!);
}

/** Luma of ITU-R BT.601, as Pillow makes grey of colours. */
function toGrey({ dims, data }: Tensor): Tensor {
  const [pictures = 0, , height = 0, width = 0] = dims;
  const area = height * width;
  const grey = Float32Array.from({ length: pictures * area }, (_, i) => {
    const red = 3 * area * Math.floor(i / area) + (i % area);
    return 0.299 * data[red]! + 0.587 * data[red + area]! + 0.114 * data[red + 2 * area]!;
  });
  return tensor(grey, [pictures, 1, height, width]);
}
