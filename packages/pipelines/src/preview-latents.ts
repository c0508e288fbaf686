// Pictures of latents while they are sampled: decoded, or cheaper.
import { type RgbImage, tensorToImages } from '@emulsion/image';
import type { Cancellable } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import { latentProjectionOf, projectLatents, type Vae } from '@emulsion/vae';
import { decodeLatents, type PictureDecoder, type VaeOptions } from './decode-latents.ts';

/** How previews are made: by the model's autoencoder, by a tiny one, or by a linear map to colours, one pixel a latent. */
export const previewMethods = ['vae', 'tiny', 'projection'] as const;
export type PreviewMethod = (typeof previewMethods)[number];

/** What previews are made with. */
export interface PreviewParts extends PictureDecoder {
  /** A tiny autoencoder for the latents of the model's. */
  readonly previewVae?: Vae | undefined;
}

export interface PreviewOptions extends VaeOptions, Cancellable {
  /** `tiny` if there is a `previewVae`, else `vae`, unless given. */
  readonly previewMethod?: PreviewMethod | undefined;
}

/**
 * Pictures of latents.
 * @throws {InvalidArgumentError} if there is no tiny autoencoder, or no linear map for such latents
 */
export async function previewLatents(
  parts: PreviewParts,
  latents: Tensor,
  options: PreviewOptions,
): Promise<RgbImage[]> {
  const { vae, device, previewVae } = parts;
  const { previewMethod = previewVae ? 'tiny' : 'vae', signal } = options;
  if (previewMethod === 'projection') {
    const projection = latentProjectionOf(vae.config);
    if (projection) return tensorToImages(projectLatents(latents, projection));
    throw new InvalidArgumentError(
      'previewMethod is "projection", and none is known for the latents of this model. Take "vae", or "tiny" with a previewVae.',
    );
  }
  if (previewMethod === 'vae') return tensorToImages(await decodeLatents(parts, latents, options));
  if (previewVae)
    return tensorToImages(await decodeLatents({ vae: previewVae, device }, latents, { signal }));
  throw new InvalidArgumentError(
    'previewMethod is "tiny", and there is no tiny autoencoder. Give loadPipeline the folder of one, such as TAESD, as previewVae.',
  );
}
