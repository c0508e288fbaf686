// An IP-Adapter loaded from its file, ready to make tokens of pictures.
import type { Folder, Weights } from '@emulsion/checkpoints';
import { WeightScope } from '@emulsion/nn';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { ShapeError, type Tensor } from '@emulsion/tensor';
import { type ImageProjection, imageProjectionModel, imageProjectionOf } from './image-projection.ts';
import { openIpAdapterWeights } from './ip-adapter-weights.ts';

/** A loaded IP-Adapter. */
export interface IpAdapter {
  readonly projection: ImageProjection;
  /** The U-Net's part of it, for `imagePrompts` of its `predict`. */
  readonly attention: Weights;
  /** Names of weights of the image projection that are not used. */
  readonly unusedWeights: readonly string[];
  /**
   * Tokens of pictures.
   * @param embeds of CLIP: the `imageEmbeds` of an image encoder, `[pictures, embedDim]`, for a linear projection, and
   * its `hiddenState`, `[pictures, patches, embedDim]`, for the others
   * @returns `[pictures, tokens, outDim]`
   * @throws {ShapeError} if the embeddings have another shape
   */
  project(embeds: Tensor, options?: Cancellable): Promise<Tensor>;
  dispose(): Promise<void>;
}

export interface LoadIpAdapterOptions extends Cancellable {
  readonly device: Device;
}

/**
 * Loads an IP-Adapter: a `.safetensors` or `.bin` as they are published, of the kinds ip-adapter, ip-adapter-plus and
 * ip-adapter-full-face.
 * @param file its name in the folder
 * @throws {WeightError} and the errors of `openIpAdapterWeights` if it is not one that is supported, `SessionError` if
 * the device cannot load it
 */
export async function loadIpAdapter(
  folder: Folder,
  file: string,
  { device, signal }: LoadIpAdapterOptions,
): Promise<IpAdapter> {
  const name = 'ip-adapter';
  const { imageProjection, attention } = await openIpAdapterWeights(folder, file);
  const projection = imageProjectionOf(name, imageProjection);
  const scope = WeightScope.of(name, imageProjection);
  const model = imageProjectionModel(name, projection, scope, device.dialect);
  const session = await device.createSession(model, { signal });
  return {
    projection,
    attention,
    unusedWeights: scope.unused(),
    project: (embeds, options) => project(session, projection, embeds, options),
    dispose: () => session.dispose(),
  };
}

async function project(
  session: Session,
  { kind, embedDim }: ImageProjection,
  embeds: Tensor,
  options?: Cancellable,
): Promise<Tensor> {
  const rank = kind === 'linear' ? 2 : 3;
  if (embeds.dims.length !== rank || embeds.dims.at(-1) !== embedDim) {
    throw new ShapeError(
      `ip-adapter: the embeddings are [${embeds.dims.join(', ')}], this adapter takes [any${rank === 3 ? ', any' : ''}, ${embedDim}]. Use the image encoder that it was trained with.`,
    );
  }
  return (await session.run({ embeds }, options)).tokens!;
}
