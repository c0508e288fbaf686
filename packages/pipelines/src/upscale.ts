// Enlarging four times by diffusion (Rombach et al. 2022, section 4.4): diffusers' StableDiffusionUpscalePipeline. The
// U-Net sees the small picture, with a little noise, beside the latents of the large one.
import type { RgbImage } from '@emulsion/image';
import { loadScheduler } from '@emulsion/schedulers';
import { InvalidArgumentError, type Tensor, tensor } from '@emulsion/tensor';
import { assertRepeatable, pixelsOf, repeatTo } from './encode-picture.ts';
import { UnsupportedModelError } from './errors.ts';
import { guidedByPrompts, paint } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { assertNoise } from './text-to-image.ts';

/** Large pictures from a small one and prompts. */
export interface UpscaleOptions extends PaintOptions {
  /** One picture for all prompts or one for each: bytes, or `[batch, 3, height, width]` in [0, 1]. */
  readonly image: RgbImage | Tensor;
  /** Noise that is put on it, an integer up to what the model was trained with, 350; more gives it more to invent; 20 unless said otherwise. */
  readonly noiseLevel?: number | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height, width]` of the small picture, instead of the seed's. */
  readonly latents?: Tensor | undefined;
}

/**
 * Enlarges a picture, as many times as the autoencoder does latents: four.
 * @throws {UnsupportedModelError} if the model is none for it, {InvalidArgumentError} if `noiseLevel` is not one of the
 * model's, and the errors of the parts
 */
export async function upscale(parts: StableDiffusionParts, options: UpscaleOptions): Promise<PaintResult> {
  const { noiseLevel = 20 } = options;
  const { lowResolution, device, vae } = parts;
  const { ops } = device;
  if (!lowResolution) {
    throw new UnsupportedModelError(
      'unet: it enlarges no pictures. Use an upscaler, which has a "low_res_scheduler" in its model_index.json.',
    );
  }
  const { schedulerConfig, maxNoiseLevel } = lowResolution;
  if (!Number.isInteger(noiseLevel) || noiseLevel < 0 || noiseLevel > maxNoiseLevel) {
    throw new InvalidArgumentError(
      `noiseLevel is ${noiseLevel}. Give an integer from 0 to ${maxNoiseLevel}.`,
    );
  }
  const request = await paintRequest(parts, options);
  const { pictures, noise, plan } = request;
  const image = pixelsOf(options.image);
  assertRepeatable(image, pictures);
  const [batch = 0, ...picture] = image.dims;
  // As with an autoencoder: a draw for each picture that came, or for each that has a generator.
  const drawn = noise.perImage ? pictures : batch;
  const noised = (await loadScheduler(schedulerConfig)).addNoise({
    sample: repeatTo(ops, ops.affine(image, 2, -1), drawn),
    noise: noise.draw([drawn, ...picture]),
    timestep: noiseLevel,
    ops,
  });
  const shown = {
    appended: repeatTo(ops, noised, pictures),
    classLabels: tensor(new Float32Array(pictures).fill(noiseLevel), [pictures]),
  };
  const dims = [pictures, vae.config.latentChannels, ...image.dims.slice(2)];
  // The size of the latents is that of the small picture, and not that of what is painted.
  const start = options.latents ?? noise.start(dims, 1);
  assertNoise(start, dims);
  const subject = await guidedByPrompts(parts, options, request, dims, shown);
  return paint(parts, options, request, subject, { sample: ops.combine([plan.initNoiseSigma, start]) });
}
