// Latents to pictures.
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import { assertFinite } from './assert-finite.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

/**
 * Decodes latents one at a time: a decoder's memory grows with its batch.
 * @returns `[batch, 3, height, width]` in [0, 1]
 * @throws {NonFiniteError} if the decoder gives what is no number
 */
export async function decodeLatents(
  { vae, device: { ops } }: Pick<StableDiffusionParts, 'vae' | 'device'>,
  latents: Tensor,
  options: Cancellable,
): Promise<Tensor> {
  const pictures: Tensor[] = [];
  for (let i = 0; i < latents.dims[0]!; i++) {
    const picture = await vae.decode(vae.fromLatents(ops.slice(latents, i, i + 1)), options);
    assertFinite(
      picture,
      'vae: the picture has',
      'The weights of the autoencoder may be damaged, or lack the precision: use its float32 ones.',
    );
    pictures.push(ops.clamp(ops.affine(picture, 0.5, 0.5), 0, 1));
  }
  return ops.concat(pictures);
}
