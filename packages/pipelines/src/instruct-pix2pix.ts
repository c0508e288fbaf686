// Editing by instruction (Brooks et al. 2022, InstructPix2Pix): the U-Net sees the picture beside the noise.
import { assertScale, instructPix2PixGuidance } from '@emulsion/guidance';
import type { RgbImage } from '@emulsion/image';
import type { Workspace } from '@emulsion/runtime';
import type { Scheduler } from '@emulsion/schedulers';
import { InvalidArgumentError, type Tensor, zeros } from '@emulsion/tensor';
import { guidedControls } from './controls.ts';
import { encodeConditions } from './encode-conditions.ts';
import { assertRepeatable, pixelsOf, repeatTo } from './encode-picture.ts';
import { UnsupportedModelError } from './errors.ts';
import { featureControl } from './feature-control.ts';
import { paint, pictureSize } from './paint.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import { paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { assertNoise } from './text-to-image.ts';
import { unetDenoiser } from './unet-denoiser.ts';

/** Pictures from a picture and an instruction. */
export interface InstructPix2PixOptions extends PaintOptions {
  /** One picture for all prompts or one for each: bytes, or `[batch, 3, height, width]` in [0, 1]. */
  readonly image: RgbImage | Tensor;
  /** How much is kept of the picture, from 1; 1.5 unless said otherwise. */
  readonly imageGuidanceScale?: number | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height/scale, width/scale]`, instead of the seed's. */
  readonly latents?: Tensor | undefined;
}

/**
 * Changes a picture as the prompt says.
 * @throws {UnsupportedModelError} if the U-Net does not take a picture's latents besides its own, and the errors of
 * the parts
 */
export async function instructPix2Pix(
  parts: StableDiffusionParts,
  options: InstructPix2PixOptions,
): Promise<PaintResult> {
  const { guidanceScale = 7.5, imageGuidanceScale = 1.5, guidanceRescale = 0, signal } = options;
  const { device, unet, vae } = parts;
  const { ops } = device;
  assertTakesPicture(parts);
  assertScale('guidanceScale', guidanceScale, 7.5);
  assertPictureScale(imageGuidanceScale);
  const request = await paintRequest(parts, options);
  const { pictures, noise, plan, scheduler } = request;
  assertOneOutput(scheduler);
  const image = pixelsOf(options.image);
  assertRepeatable(image, pictures);
  const { mean } = await vae.encode(ops.affine(image, 2, -1), { signal });
  // The distribution's mean: so the networks were trained, and most with what is not scaled.
  const seen = parts.scalesShownPicture ? ops.affine(mean, vae.config.scalingFactor, 0) : mean;
  const shown = { appended: repeatTo(ops, seen, pictures) };
  const { dims } = shown.appended;
  const start = options.latents ?? noise.start(dims, vae.config.scale);
  assertNoise(start, dims);
  const { positive, negative } = await encodeConditions(parts, options, {
    ...request,
    ...pictureSize(parts, dims),
    guided: true,
  });
  const guided = guidanceScale > 1;
  const denoiserIn = (workspace: Workspace) =>
    instructPix2PixGuidance(unetDenoiser(unet, workspace, { signal, totalSteps: plan.timesteps.length }), {
      guidanceScale: guided ? guidanceScale : 1,
      imageGuidanceScale: guided ? imageGuidanceScale : 1,
      guidanceRescale: guided ? guidanceRescale : 0,
      ops: workspace.ops,
    });
  const painting = { pictures, totalSteps: plan.timesteps.length, ops, ...pictureSize(parts, dims) };
  const led = guidedControls(parts.controlNets ?? [], options, painting);
  const features = featureControl(parts.t2iAdapters ?? [], options, painting);
  const condition = {
    both: { ...positive, ...shown, controls: led.positive, features },
    image: { ...negative, ...shown, controls: led.negative, features },
    neither: { ...negative, appended: zeros(dims), controls: led.negative, features },
  };
  const sample = ops.combine([plan.initNoiseSigma, start]);
  return paint(parts, options, request, { denoiserIn, condition }, { sample });
}

function assertPictureScale(scale: number): void {
  if (Number.isFinite(scale) && scale >= 1) return;
  throw new InvalidArgumentError(`imageGuidanceScale is ${scale}. Give a number from 1; 1.5 is a usual one.`);
}

function assertOneOutput({ wantsNegativeOutput }: Scheduler): void {
  if (!wantsNegativeOutput) return;
  throw new InvalidArgumentError(
    'scheduler: with InstructPix2Pix, whose guidance is of two kinds, there is no CFG++. Choose a sampler without it.',
  );
}

function assertTakesPicture({ unet, vae }: StableDiffusionParts): void {
  const { inChannels } = unet.config;
  const wanted = 2 * vae.config.latentChannels;
  if (inChannels === wanted) return;
  throw new UnsupportedModelError(
    `unet: it takes ${inChannels} channels; to be instructed about a picture, ${wanted} are wanted. Use an InstructPix2Pix model.`,
  );
}
