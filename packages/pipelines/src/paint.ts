// What all tasks end with: denoises from a state on, decodes, and gives the result.
import { classifierFreeGuidance, type Denoiser, guidanceWithNegative } from '@emulsion/guidance';
import { tensorToImages } from '@emulsion/image';
import type { ModelAnswer } from '@emulsion/schedulers';
import type { Tensor } from '@emulsion/tensor';
import { decodeLatents } from './decode-latents.ts';
import { encodeConditions } from './encode-conditions.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import type { PaintRequest } from './paint-request.ts';
import { runSampler } from './run-sampler.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { unetDenoiser } from './unet-denoiser.ts';

/** A denoiser, and what it is asked about at every step. */
export interface Subject<Condition = unknown> {
  readonly denoiser: Denoiser<Condition, ModelAnswer>;
  readonly condition: Condition;
}

/** Where the sampler starts. */
export interface Start {
  readonly sample: Tensor;
  readonly beginIndex?: number | undefined;
}

/** The prompts of a request and the U-Net, guided from the one to the other. */
export async function guidedByPrompts(
  parts: StableDiffusionParts,
  options: PaintOptions,
  request: PaintRequest,
): Promise<Subject<Awaited<ReturnType<typeof encodeConditions>>>> {
  const { guidanceScale = 7.5, guidanceRescale = 0, signal } = options;
  const { ops } = parts.device;
  const { wantsNegativeOutput } = request.scheduler;
  const condition = await encodeConditions(
    parts,
    options,
    request,
    guidanceScale !== 1 || wantsNegativeOutput,
  );
  const guide = wantsNegativeOutput ? guidanceWithNegative : classifierFreeGuidance;
  const denoiser = guide(unetDenoiser(parts.unet, ops, { signal }), { guidanceScale, guidanceRescale, ops });
  return { denoiser, condition };
}

/** Samples, decodes, and reports the steps. @throws the errors of the parts, each with what to do */
export async function paint<Condition>(
  parts: StableDiffusionParts,
  { signal, onStep, eta }: PaintOptions,
  { noise, scheduler, plan }: PaintRequest,
  { denoiser, condition }: Subject<Condition>,
  { sample, beginIndex = 0 }: Start,
): Promise<PaintResult> {
  const { ops } = parts.device;
  const sampler = scheduler.sample({
    plan,
    ops,
    sample,
    beginIndex,
    noise: (dims) => noise.step(dims),
    ...(eta !== undefined && { eta }),
  });
  const latents = await runSampler(sampler, {
    denoiser,
    condition,
    plan,
    beginIndex,
    signal,
    onStep: (event, answered) => {
      const preview = async () =>
        tensorToImages(await decodeLatents(parts, scheduler.denoised({ ...answered, ops }), { signal }));
      return onStep?.({ ...event, preview });
    },
  });
  const pixels = await decodeLatents(parts, latents, { signal });
  const { seeds, variationSeeds } = noise;
  return {
    images: tensorToImages(pixels),
    pixels,
    latents,
    seed: seeds[0]!,
    seeds,
    ...(variationSeeds && { variationSeeds }),
  };
}
