// Large pictures in two passes, as A1111's "Hires. fix": painted in a size that the model knows, enlarged, and painted over.
import { type InterpolationMode, InvalidArgumentError } from '@emulsion/tensor';
import { denoise, finish, guidedByPrompts } from './paint.ts';
import type { PaintOptions, PaintResult, PaintStepEvent } from './paint-options.ts';
import { paintRequest } from './paint-request.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { firstStep } from './strength.ts';
import { latentsFromText, type TextToImageOptions } from './text-to-image.ts';

/** Pictures from prompts, enlarged; `width`, `height` and `latents` are those of the first pass. */
export interface HighResolutionOptions extends TextToImageOptions {
  /** How many times wider and higher the pictures become, at least 1. */
  readonly hiresScale: number;
  /** Share of the second pass's steps that is taken, above 0 and at most 1; 0.7 unless said otherwise. */
  readonly hiresStrength?: number | undefined;
  /** Steps of the second pass; as many as the first has unless given. */
  readonly hiresSteps?: number | undefined;
  /** How the latents are enlarged; `bilinear`, A1111's "Latent", unless said otherwise. */
  readonly hiresInterpolation?: InterpolationMode | undefined;
}

/**
 * Paints pictures and, enlarged, paints over them, with the noise that their seeds give for the larger size. The steps
 * are counted through both passes.
 * @throws {InvalidArgumentError} if the scale is below 1 or the strength leaves no step, and the errors of the parts
 */
export async function highResolution(
  parts: StableDiffusionParts,
  options: HighResolutionOptions,
): Promise<PaintResult> {
  const { hiresScale, hiresStrength = 0.7, hiresSteps, hiresInterpolation = 'bilinear' } = options;
  if (!(hiresScale >= 1 && hiresScale < Number.POSITIVE_INFINITY)) {
    throw new InvalidArgumentError(`hiresScale is ${hiresScale}. Give a number of at least 1.`);
  }
  const { ops } = parts.device;
  const first = await paintRequest(parts, options);
  const { seeds, variationSeeds, perImage } = first.noise;
  const again: PaintOptions = {
    ...options,
    ...(hiresSteps !== undefined && {
      numInferenceSteps: hiresSteps,
      timesteps: undefined,
      sigmas: undefined,
    }),
    // Random seeds are drawn once, and those that count up have done so.
    seed: perImage ? seeds : seeds[0],
    seedPerImage: false,
    variationSeed: variationSeeds?.[0],
  };
  const second = await paintRequest(parts, again);
  const { noise, scheduler, plan } = second;
  const beginIndex = firstStep(plan, hiresStrength, scheduler.evaluationsPerStep, {
    strength: 'hiresStrength',
    steps: 'hiresSteps',
  });
  const [steps, moreSteps] = [first.plan.timesteps.length, plan.timesteps.length - beginIndex];
  const small = await latentsFromText(
    parts,
    { ...options, denoisingEnd: undefined, onStep: pass(options, 0, steps, moreSteps) },
    first,
  );
  const [, , height, width] = small.dims;
  const large = ops.interpolate(
    small,
    Math.floor(height! * hiresScale),
    Math.floor(width! * hiresScale),
    hiresInterpolation,
  );
  const start = noise.start(large.dims, parts.vae.config.scale);
  const sample = scheduler.addNoise({ sample: large, noise: start, plan, beginIndex, ops });
  const subject = await guidedByPrompts(parts, again, second, large.dims, {}, beginIndex);
  const onStep = pass(options, steps, steps, moreSteps);
  const latents = await denoise(parts, { ...again, onStep }, second, subject, { sample, beginIndex });
  return finish(parts, again, second, latents);
}

/** Tells of a pass's steps as part of both. */
function pass({ onStep }: PaintOptions, before: number, steps: number, moreSteps: number) {
  const all = steps + moreSteps;
  const own = before === 0 ? steps : moreSteps;
  return (event: PaintStepEvent) =>
    onStep?.({
      ...event,
      step: before + event.step,
      totalSteps: event.totalSteps === undefined ? undefined : all,
      progress: (before + own * event.progress) / all,
    });
}
