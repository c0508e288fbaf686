// Inpainting: what is masked of a picture is painted anew, with any U-Net or with one that was trained to see the mask.
import type { Tensor, TensorOps } from '@emulsion/tensor';
import { encodePicture, repeatTo } from './encode-picture.ts';
import { UnsupportedModelError } from './errors.ts';
import { type CanvasOptions, canvasOf, onCanvas } from './inpaint-canvas.ts';
import { spreadChannels } from './mask.ts';
import { guidedByPrompts, paint } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { firstStep } from './strength.ts';
import { latentDims } from './text-to-image.ts';

/** Pictures from a picture of which a part is painted anew. */
export interface InpaintOptions extends PaintOptions, CanvasOptions {
  /** Share of the steps that is taken, above 0 and at most 1; 1, which begins with nothing but noise, unless said otherwise. */
  readonly strength?: number | undefined;
}

/**
 * Paints what is masked. With a soft mask or a margin the rest of the picture stays as it is, pixel for pixel;
 * otherwise it is what the autoencoder makes of it.
 * @throws {InvalidArgumentError} {ShapeError} if an option makes no sense, {UnsupportedModelError} if the U-Net takes
 * neither latents alone nor latents, mask and masked picture, and the errors of the parts
 */
export async function inpaint(parts: StableDiffusionParts, options: InpaintOptions): Promise<PaintResult> {
  const { strength = 1, signal } = options;
  const { ops } = parts.device;
  const seesMask = takesMask(parts);
  const request = await paintRequest(parts, options);
  const { noise, pictures, scheduler, plan } = request;
  const beginIndex = firstStep(plan, strength, scheduler.evaluationsPerStep);
  const canvas = canvasOf(ops, options);
  const { image, mask } = canvas;
  const dims = latentDims(parts, { height: image.dims[2], width: image.dims[3] }, pictures);
  const drawing = { pictures, noise, signal };
  // The draws are in the order of diffusers, which encodes the masked picture for every network.
  const original = seesMask && strength === 1 ? undefined : await encodePicture(parts, image, drawing);
  const start = noise.start(dims, parts.vae.config.scale);
  const latentMask = repeatTo(ops, ops.interpolate(mask, dims[2]!, dims[3]!, 'nearest'), pictures);
  const masked = seesMask ? await encodePicture(parts, withoutMasked(ops, image, mask), drawing) : undefined;
  if (!masked) noise.draw([noise.perImage ? pictures : image.dims[0]!, ...dims.slice(1)]);
  const sample =
    strength === 1
      ? ops.combine([plan.initNoiseSigma, start])
      : scheduler.addNoise({ sample: original!, noise: start, plan, beginIndex, ops });
  const subject = await guidedByPrompts(
    parts,
    options,
    request,
    dims,
    masked && { appended: ops.concat([latentMask, masked], 1) },
    beginIndex,
  );
  const known = masked
    ? undefined
    : { original: original!, noise: start, mask: spreadChannels(latentMask, dims[1]!) };
  const result = await paint(parts, options, request, subject, { sample, beginIndex, known });
  return { ...onCanvas(ops, canvas, result), strength };
}

/**
 * Whether the U-Net takes mask and masked picture besides the latents.
 * @throws {UnsupportedModelError} if it takes something else
 */
function takesMask({ unet, vae }: StableDiffusionParts): boolean {
  const { inChannels } = unet.config;
  const { latentChannels } = vae.config;
  if (inChannels === latentChannels) return false;
  if (inChannels === 2 * latentChannels + 1) return true;
  throw new UnsupportedModelError(
    `unet: it takes ${inChannels} channels; for inpainting ${latentChannels} or ${2 * latentChannels + 1} are wanted. Use another model.`,
  );
}

/** A picture with grey, the middle of the autoencoder's range, where it is masked. */
function withoutMasked(ops: TensorOps, image: Tensor, mask: Tensor): Tensor {
  const batch = Math.max(image.dims[0]!, mask.dims[0]!);
  const kept = repeatTo(ops, spreadChannels(ops.affine(mask, -1, 1), image.dims[1]!), batch);
  return ops.affine(ops.multiply(kept, ops.affine(repeatTo(ops, image, batch), 1, -0.5)), 1, 0.5);
}
