// Latent consistency models (Luo et al. 2023): a few steps, and the guidance scale is an input of the network.
import { type ImageToImageOptions, paintOver } from './image-to-image.ts';
import type { PaintResult } from './paint-options.ts';
import { paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { assertStrength } from './strength.ts';

/**
 * Paints over a picture in as many steps as are asked for: `strength` is the share of the training timesteps that they
 * are spread over, not of the steps. From prompts alone, such models paint with `textToImage`.
 * @throws {InvalidArgumentError} if `strength` is not above 0 and at most 1, or the scheduler is not one for such
 * models, and the errors of the parts
 */
export async function latentConsistencyImageToImage(
  parts: StableDiffusionParts,
  options: ImageToImageOptions,
): Promise<PaintResult> {
  const { strength = 0.8 } = options;
  assertStrength(strength);
  const result = await paintOver(parts, options, await paintRequest(parts, options, { strength }), 0);
  return { ...result, strength };
}
