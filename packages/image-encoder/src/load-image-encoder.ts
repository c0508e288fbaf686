// CLIP's encoder of pictures loaded from its folder, ready to encode.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import type { RgbImage } from '@emulsion/image';
import { WeightScope } from '@emulsion/nn';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { ShapeError, type Tensor } from '@emulsion/tensor';
import { clipPixels } from './clip-pixels.ts';
import { type ClipVisionConfig, parseClipVisionConfig } from './clip-vision-config.ts';
import { clipVisionModel } from './clip-vision-model.ts';

/** What CLIP makes of pictures. */
export interface ImageEmbeds {
  /** The picture as a whole: `[pictures, projectionDim]`. */
  readonly imageEmbeds: Tensor;
  /** The picture and its patches, as the last layer but one gives them: `[pictures, 1 + patches, hiddenSize]`. */
  readonly hiddenState: Tensor;
}

/** A loaded encoder of pictures. */
export interface ImageEncoder {
  readonly config: ClipVisionConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * A picture of bytes, resized and cut as CLIP was trained; or pictures that are normalized already, `[pictures,
   * channels, imageSize, imageSize]`.
   * @throws {ShapeError} if normalized pictures have another shape
   */
  encode(image: RgbImage | Tensor, options?: Cancellable): Promise<ImageEmbeds>;
  dispose(): Promise<void>;
}

export interface LoadOptions extends Cancellable {
  readonly device: Device;
  /** A copy of the weights by the word in its file name, for instance `fp16`; see `openWeights`. */
  readonly variant?: string | undefined;
}

/**
 * Loads the folder of a CLIPVisionModelWithProjection: its config.json and its weights where they lie.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if the folder is not one of CLIP's encoder of
 * pictures, `SessionError` if the device cannot load it
 */
export async function loadImageEncoder(
  folder: Folder,
  { device, signal, variant }: LoadOptions,
): Promise<ImageEncoder> {
  const config = parseClipVisionConfig('image encoder', await readJson(folder, 'config.json'));
  const weights = WeightScope.of(
    'image encoder',
    await openWeights(folder, { ...(variant !== undefined && { variant }) }),
  );
  const model = clipVisionModel('image encoder', config, weights, device.dialect);
  const session = await device.createSession(model, { signal });
  return {
    config,
    // Old checkpoints store the places 0, 1, 2, …, and a whole CLIP has an encoder of texts too.
    unusedWeights: weights
      .unused()
      .filter((name) => !/embeddings\.position_ids$|^text_|^logit_scale$/.test(name)),
    encode: (image, options) => encode(session, config, image, options),
    dispose: () => session.dispose(),
  };
}

async function encode(
  session: Session,
  { channels, imageSize }: ClipVisionConfig,
  image: RgbImage | Tensor,
  options?: Cancellable,
): Promise<ImageEmbeds> {
  const pixels = 'channels' in image ? clipPixels(image, imageSize) : image;
  const wanted = [pixels.dims[0], channels, imageSize, imageSize];
  if (pixels.dims.length !== 4 || wanted.some((size, axis) => size !== pixels.dims[axis])) {
    throw new ShapeError(
      `image encoder: the pictures are [${pixels.dims.join(', ')}], this model takes [any, ${wanted.slice(1).join(', ')}]. Give bytes, which are resized, or such a tensor.`,
    );
  }
  const outputs = await session.run({ pixel_values: pixels }, options);
  return { imageEmbeds: outputs.image_embeds!, hiddenState: outputs.hidden_state! };
}
