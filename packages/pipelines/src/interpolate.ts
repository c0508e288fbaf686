// A walk between prompts and seeds: noise goes along arcs, which keep its variance (Shoemake 1985), and texts along lines.
import type { Guided } from '@emulsion/guidance';
import { InvalidArgumentError, type Tensor, type TensorOps } from '@emulsion/tensor';
import { alignTexts } from './encode-conditions.ts';
import { denoise, encodePrompts, finish, guidedBy } from './paint.ts';
import type { PaintOptions, PaintResult, PaintStepEvent } from './paint-options.ts';
import { paintRequest } from './paint-request.ts';
import type { SeededNoise } from './seeded-noise.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { latentDims } from './text-to-image.ts';
import type { UnetCondition } from './unet-denoiser.ts';

/**
 * Pictures on the way from one place to the next: each prompt with its seed is a place. One prompt or one seed is that
 * of all places.
 */
export interface InterpolateOptions extends Omit<PaintOptions, 'numImagesPerPrompt' | 'seedPerImage'> {
  /** How many pictures, the first and the last place included; at least 2. */
  readonly frames: number;
  /** Pixels; the model's own unless given. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

/**
 * Paints pictures between prompts and seeds, one after the other; the steps are counted through all. The pictures at the
 * places are those that their prompts and seeds give alone.
 * @returns the frames in their order; `seeds` are those of the places
 * @throws {InvalidArgumentError} if there is but one place or frame, or other than one or all prompts or seeds, and the
 * errors of the parts
 */
export async function interpolate(
  parts: StableDiffusionParts,
  options: InterpolateOptions,
): Promise<PaintResult> {
  const { ops } = parts.device;
  const { frames } = options;
  const places = placesOf(options);
  const first = await paintRequest(parts, places);
  const { seeds, variationSeeds } = first.noise;
  const count = first.pictures;
  const [, ...dims] = latentDims(parts, options, count);
  const conditions = await encodePrompts(parts, options, first, [count, ...dims]);
  const latents: Tensor[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const position = (frame * (count - 1)) / (frames - 1);
    const place = Math.min(Math.floor(position), count - 2);
    const between = (mix: typeof slerp, x: Tensor) =>
      mix(ops, ops.slice(x, place, place + 1), ops.slice(x, place + 1, place + 2), position - place);
    // Each frame draws anew, so that the noise of the steps goes along arcs too; random seeds are drawn once.
    const drawn = { seed: seeds, variationSeed: variationSeeds?.[0] };
    const { noise, ...request } = await paintRequest(parts, { ...places, ...drawn });
    const own: SeededNoise = {
      ...noise,
      start: (asked, scale) => between(slerp, noise.start([count, ...asked.slice(1)], scale)),
      step: (asked) => between(slerp, noise.step([count, ...asked.slice(1)])),
    };
    const painted = { ...request, noise: own, pictures: 1 };
    const start = own.start([1, ...dims], parts.vae.config.scale);
    const condition = mapTensors(conditions, (x) => between(lerp, x));
    const subject = guidedBy(parts, options, painted, start.dims, condition);
    const sample = ops.combine([request.plan.initNoiseSigma, start]);
    const onStep = through(options, frame);
    latents.push(await denoise(parts, { ...options, onStep }, painted, subject, { sample }));
  }
  return finish(parts, options, first, ops.concat(latents));
}

/** The request for the pictures at the places. */
function placesOf({ frames, ...options }: InterpolateOptions): PaintOptions {
  if (!Number.isInteger(frames) || frames < 2)
    throw new InvalidArgumentError(`frames is ${frames}. Give an integer of at least 2.`);
  const { seed } = options;
  const prompts = typeof options.prompt === 'string' ? [options.prompt] : options.prompt;
  const seeds = typeof seed === 'object' ? seed : [seed ?? Math.floor(Math.random() * 2 ** 32)];
  const count = Math.max(prompts.length, seeds.length);
  if (count < 2) {
    throw new InvalidArgumentError(
      'frames: there is but one place, and a walk needs two. Give a list of prompts, or of seeds.',
    );
  }
  if (seeds.length !== 1 && seeds.length !== count) {
    throw new InvalidArgumentError(
      `seed: ${seeds.length} came for ${count} prompts. Give one for all or one for each.`,
    );
  }
  const all = <Item>(items: readonly Item[]) =>
    Array.from({ length: count }, (_, i) => items[i] ?? items[0]!);
  alignTexts({ prompt: prompts }, count);
  const one = { numImagesPerPrompt: 1, seedPerImage: false };
  return { ...options, ...one, prompt: all(prompts), seed: all(seeds) };
}

/** From one tensor to another along an arc, as one vector each; `share` 0 gives the first. */
export function slerp(ops: TensorOps, from: Tensor, to: Tensor, share: number): Tensor {
  let [product, square, otherSquare] = [0, 0, 0];
  for (const [i, a] of from.data.entries()) {
    const b = to.data[i]!;
    product += a * b;
    square += a * a;
    otherSquare += b * b;
  }
  const cosine = product / Math.sqrt(square * otherSquare);
  // Where there is hardly an arc, the limit is the straight line.
  if (!(Math.abs(cosine) < 0.9995)) return lerp(ops, from, to, share);
  const angle = Math.acos(cosine);
  const weight = (part: number) => Math.sin(part * angle) / Math.sin(angle);
  return ops.combine([weight(1 - share), from], [weight(share), to]);
}

/** From one tensor to another along a line; `share` 0 gives the first. */
const lerp = (ops: TensorOps, from: Tensor, to: Tensor, share: number): Tensor =>
  ops.combine([1 - share, from], [share, to]);

/** The conditions with each of their tensors changed. */
function mapTensors(
  { positive, negative }: Guided<UnetCondition>,
  change: (x: Tensor) => Tensor,
): Guided<UnetCondition> {
  const map = ({
    encoderHiddenStates,
    timestepCond,
    addedConditions,
    imagePrompts,
  }: UnetCondition): UnetCondition => ({
    encoderHiddenStates: change(encoderHiddenStates),
    timestepCond: timestepCond && change(timestepCond),
    addedConditions: addedConditions && {
      textEmbeds: change(addedConditions.textEmbeds),
      timeIds: change(addedConditions.timeIds),
    },
    imagePrompts: imagePrompts?.map((prompt) => ({ ...prompt, tokens: change(prompt.tokens) })),
  });
  return { positive: map(positive), negative: map(negative) };
}

/** Tells of a frame's steps as part of all. */
const through =
  ({ onStep, frames }: InterpolateOptions, frame: number) =>
  (event: PaintStepEvent) => {
    const { step, totalSteps, progress } = event;
    return onStep?.({
      ...event,
      step: frame * (totalSteps ?? 0) + step,
      totalSteps: totalSteps === undefined ? undefined : frames * totalSteps,
      progress: (frame + progress) / frames,
    });
  };
