// Pictures to the latents that tasks start from.
import { imageToTensor, type RgbImage } from '@emulsion/image';
import type { Cancellable } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';
import { assertFinite } from './assert-finite.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

/** A picture of a request as `[batch, 3, height, width]` in [0, 1]. @throws {NonFiniteError} */
export function pixelsOf(image: RgbImage | Tensor): Tensor {
  const pixels = 'channels' in image ? imageToTensor(image) : image;
  assertFinite(pixels, 'image: the picture has', 'Give pixels from 0 to 1.');
  return pixels;
}

/** How many samples are wanted, and where their noise comes from. */
export interface EncodePictureOptions extends Cancellable {
  readonly pictures: number;
  readonly noise: { readonly perImage: boolean; draw(dims: readonly number[]): Tensor };
}

/**
 * Draws latents from the distribution that the autoencoder gives for a picture. One generator makes one draw for each
 * picture that came, as in diffusers; where each picture has its own, each makes its draw.
 * @param image `[batch, 3, height, width]` in [0, 1], one for all or one for each; what has as many channels as latents
 * have is taken for them, as in diffusers
 * @returns `[pictures, channels, height/scale, width/scale]`
 * @throws {InvalidArgumentError} if there are other than one or all, and the errors of the autoencoder
 */
export async function encodePicture(
  { vae, device: { ops }, memory }: Pick<StableDiffusionParts, 'vae' | 'device' | 'memory'>,
  image: Tensor,
  { pictures, noise, signal }: EncodePictureOptions,
): Promise<Tensor> {
  assertRepeatable(image, pictures);
  const { inChannels, latentChannels } = vae.config;
  if (image.dims[1] === latentChannels && latentChannels !== inChannels)
    return repeatTo(ops, image, pictures);
  const tiling = (await memory?.wantsTiles('encode', image.dims)) ?? false;
  const distribution = await vae.encode(ops.affine(image, 2, -1), { tiling, signal });
  const drawn = noise.perImage ? pictures : image.dims[0]!;
  const [mean, logvar] = [distribution.mean, distribution.logvar].map((x) => repeatTo(ops, x, drawn));
  const deviation = ops.exp(ops.affine(logvar!, 0.5, 0));
  const z = ops.combine([1, mean!], [1, ops.multiply(deviation, noise.draw(mean!.dims))]);
  return repeatTo(ops, vae.toLatents(z), pictures);
}

/** @throws {InvalidArgumentError} if there are other than one picture or all */
export function assertRepeatable({ dims }: Tensor, pictures: number): void {
  const own = dims[0]!;
  if (pictures % own === 0) return;
  throw new InvalidArgumentError(
    `image: ${own} pictures came for ${pictures}. Give one for all or one for each.`,
  );
}

/** As many samples as are wanted, each of the batch as often as the others. */
export function repeatTo(ops: TensorOps, x: Tensor, batch: number): Tensor {
  const own = x.dims[0]!;
  return own === batch ? x : ops.concat(Array.from({ length: batch / own }, () => x));
}
