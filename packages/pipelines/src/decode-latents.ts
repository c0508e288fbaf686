// Latents to pictures.
import type { Cancellable } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import type { DecodeOptions } from '@emulsion/vae';
import { assertFinite } from './assert-finite.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

/** What makes pictures of latents. */
export type PictureDecoder = Pick<StableDiffusionParts, 'vae' | 'device' | 'memory'>;

/** How pictures are decoded. */
export interface VaeOptions {
  /**
   * Whether large pictures are decoded by tiles, which takes less memory and more time and gives the same picture; `auto`,
   * which it is unless given, does so where the whole picture would take more memory than it may. Of another size than
   * that of the autoencoder: `{ tileSize }`, in pixels.
   */
  readonly vaeTiling?: DecodeOptions['tiling'] | 'auto';
}

/**
 * Decodes latents one at a time: a decoder's memory grows with its batch.
 * @returns `[batch, 3, height, width]` in [0, 1]
 * @throws {NonFiniteError} if latents or pictures are no numbers, {InvalidArgumentError} if tiles are asked of an
 * autoencoder that has none
 */
export async function decodeLatents(
  { vae, device: { ops }, memory }: PictureDecoder,
  latents: Tensor,
  { vaeTiling = 'auto', signal }: VaeOptions & Cancellable,
): Promise<Tensor> {
  assertFinite(
    latents,
    'latents: to be decoded came',
    'The network or the sampler gave them; the autoencoder is fine.',
  );
  const tiling =
    vaeTiling === 'auto' ? ((await memory?.wantsTiles('decode', latents.dims)) ?? false) : vaeTiling;
  const pictures: Tensor[] = [];
  for (let i = 0; i < latents.dims[0]!; i++) {
    const picture = await vae.decode(vae.fromLatents(ops.slice(latents, i, i + 1)), { tiling, signal });
    assertFinite(
      picture,
      'vae: the picture has',
      'All devices compute in float32, so the weights of the autoencoder are damaged, or overflowed when they were saved in float16: take its float32 ones.',
    );
    pictures.push(ops.clamp(ops.affine(picture, 0.5, 0.5), 0, 1));
  }
  return ops.concat(pictures);
}
