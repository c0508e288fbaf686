// From prompts to the conditions of a U-Net, one row for each picture.
import type { Guided } from '@emulsion/guidance';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { PaintOptions } from './paint-options.ts';
import { listOf, type PaintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import type { UnetCondition } from './unet-denoiser.ts';

/**
 * Encodes a request's prompts, each as often as pictures are made of it, with their negatives.
 * @param guided whether the negative condition is evaluated; if not, it is the positive one
 * @throws {InvalidArgumentError} if there are negative prompts for other than one or all prompts, and the errors of
 * the prompt encoder
 */
export async function encodeConditions(
  { promptEncoder, device }: Pick<StableDiffusionParts, 'promptEncoder' | 'device'>,
  { clipSkip, truncatePrompt, signal, negativePrompt }: PaintOptions,
  { prompts, pictures }: Pick<PaintRequest, 'prompts' | 'pictures'>,
  guided: boolean,
): Promise<Guided<UnetCondition>> {
  const { ops } = device;
  const negatives = listOf(negativePrompt ?? '');
  if (negatives.length !== 1 && negatives.length !== prompts.length) {
    throw new InvalidArgumentError(
      `negativePrompt: ${negatives.length} came for ${prompts.length} prompts. Give one for all or one for each.`,
    );
  }
  const encode = async (texts: readonly string[], skip?: number): Promise<UnetCondition> => {
    const encoded = await promptEncoder.encode(texts, { clipSkip: skip, truncatePrompt, signal });
    const rows = Array.from({ length: pictures }, (_, picture) => {
      const row = Math.floor((picture * texts.length) / pictures);
      return ops.slice(encoded, row, row + 1);
    });
    return { encoderHiddenStates: ops.concat(rows) };
  };
  const positive = await encode(prompts, clipSkip);
  // diffusers skips layers for the prompt only.
  return { positive, negative: guided ? await encode(negatives) : positive };
}
