// What all tasks end with: denoises from a state on, decodes, and gives the result.
import { classifierFreeGuidance, type Denoiser, type Guided, guidanceWithNegative } from '@emulsion/guidance';
import { tensorToImages } from '@emulsion/image';
import { hostWorkspace, type Workspace } from '@emulsion/runtime';
import { brownianDraws, type ModelAnswer } from '@emulsion/schedulers';
import { type Tensor, zeros } from '@emulsion/tensor';
import { guidedControls } from './controls.ts';
import { decodeLatents } from './decode-latents.ts';
import { endIndex } from './denoising-range.ts';
import { encodeConditions } from './encode-conditions.ts';
import { UnsupportedModelError } from './errors.ts';
import { featureControl } from './feature-control.ts';
import { type Known, keepKnown } from './keep-known.ts';
import type { PaintOptions, PaintResult } from './paint-options.ts';
import type { PaintRequest } from './paint-request.ts';
import type { PreviewParts } from './preview-latents.ts';
import { runSampler } from './run-sampler.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import { type UnetCondition, unetDenoiser } from './unet-denoiser.ts';

/** What a denoiser is asked about at every step, and the denoiser. */
export interface Subject<Condition = unknown> {
  readonly condition: Condition;
  /** The denoiser whose tensors lie in a workspace. */
  denoiserIn(workspace: Workspace): Denoiser<Condition, ModelAnswer>;
}

/** Where the sampler starts. */
export interface Start {
  readonly sample: Tensor;
  readonly beginIndex?: number | undefined;
  /** What is put back of a picture at every step. */
  readonly known?: Known | undefined;
}

/**
 * The U-Net, and the prompts that it is guided by.
 * @param dims of the latents
 * @param added what the network is fed beside the prompts
 * @param beginIndex the first of the plan's timesteps that is visited
 */
export async function guidedByPrompts(
  parts: StableDiffusionParts,
  options: PaintOptions,
  request: PaintRequest,
  dims: readonly number[],
  added: Partial<UnetCondition> = {},
  beginIndex = 0,
): Promise<Subject<Guided<UnetCondition>>> {
  assertChannels(parts, dims[1]! + (added.appended?.dims[1] ?? 0));
  const conditions = await encodePrompts(parts, options, request, dims);
  return guidedBy(parts, options, request, dims, conditions, added, beginIndex);
}

/** What prompts are to the U-Net, a row for each picture. @param dims of the latents */
export function encodePrompts(
  parts: StableDiffusionParts,
  options: PaintOptions,
  request: PaintRequest,
  dims: readonly number[],
): Promise<Guided<UnetCondition>> {
  const { wantsNegativeOutput } = request.scheduler;
  const guided = networkScale(parts, options, wantsNegativeOutput) !== 1 || wantsNegativeOutput;
  return encodeConditions(parts, options, { ...request, ...pictureSize(parts, dims), guided });
}

/** The U-Net, and the conditions that it is guided by; arguments as of `guidedByPrompts`. */
export function guidedBy(
  parts: StableDiffusionParts,
  options: PaintOptions,
  { pictures, scheduler, plan }: PaintRequest,
  dims: readonly number[],
  { positive, negative }: Guided<UnetCondition>,
  added: Partial<UnetCondition> = {},
  beginIndex = 0,
): Subject<Guided<UnetCondition>> {
  const { guidanceRescale = 0, signal } = options;
  const { ops } = parts.device;
  const { wantsNegativeOutput } = scheduler;
  const guidanceScale = networkScale(parts, options, wantsNegativeOutput);
  const totalSteps = plan.timesteps.length - beginIndex;
  const painting = { pictures, totalSteps, ops, ...pictureSize(parts, dims) };
  const controls = guidedControls(parts.controlNets ?? [], options, painting);
  const features = featureControl(parts.t2iAdapters ?? [], options, painting);
  const guide = wantsNegativeOutput ? guidanceWithNegative : classifierFreeGuidance;
  return {
    denoiserIn: (workspace) =>
      guide(unetDenoiser(parts.unet, workspace, { signal, totalSteps }), {
        guidanceScale,
        guidanceRescale,
        ops: workspace.ops,
      }),
    condition: {
      positive: { ...positive, ...added, controls: controls.positive, features },
      negative: { ...negative, ...added, controls: controls.negative, features },
    },
  };
}

function assertChannels({ unet }: StableDiffusionParts, channels: number): void {
  const { inChannels } = unet.config;
  if (inChannels === channels) return;
  throw new UnsupportedModelError(
    `unet: it takes ${inChannels} channels, and for this task there are ${channels}. A model for inpainting wants image and maskImage, one for instructions image.`,
  );
}

/** The scale that two outputs of the network are combined with; 1 where it takes the scale as an input. */
function networkScale(
  { unet }: StableDiffusionParts,
  { guidanceScale = 7.5 }: PaintOptions,
  wantsNegativeOutput: boolean,
): number {
  if (unet.config.timestepCondChannels !== undefined) return 1;
  // As in diffusers; CFG++ has a use for scales below 1.
  return wantsNegativeOutput ? guidanceScale : Math.max(guidanceScale, 1);
}

/** Pixels of the pictures whose latents have these dims. */
export function pictureSize(
  { vae }: Pick<StableDiffusionParts, 'vae'>,
  [, , height = 0, width = 0]: readonly number[],
): { width: number; height: number } {
  const { scale } = vae.config;
  return { width: width * scale, height: height * scale };
}

/** Samples, decodes, and reports the steps. @throws the errors of the parts, each with what to do */
export async function paint<Condition>(
  parts: PreviewParts,
  options: PaintOptions,
  request: PaintRequest,
  subject: Subject<Condition>,
  start: Start,
): Promise<PaintResult> {
  return finish(parts, options, request, await denoise(parts, options, request, subject, start));
}

/**
 * Samples from a state on, and reports the steps.
 * @returns the latents, on the host, clean unless `denoisingEnd` leaves steps out
 */
export async function denoise<Condition>(
  parts: PreviewParts,
  options: PaintOptions,
  { noise, scheduler, plan }: PaintRequest,
  { denoiserIn, condition }: Subject<Condition>,
  { sample, beginIndex = 0, known }: Start,
): Promise<Tensor> {
  const { signal, onStep, eta, denoisingEnd } = options;
  // A sampler that chooses its steps looks at the numbers.
  const workspace = plan.adaptive ? hostWorkspace : parts.device.openWorkspace();
  const { ops } = workspace;
  const sampler = scheduler.sample({
    plan,
    ops,
    sample,
    beginIndex,
    reuseStates: true,
    noise: brownianDraws((dims) => noise.step(dims)),
    ...(eta !== undefined && { eta }),
  });
  const run = () =>
    runSampler(known ? keepKnown(sampler, known, scheduler, ops) : sampler, {
      denoiser: denoiserIn(workspace),
      condition,
      workspace,
      plan,
      beginIndex,
      ...(denoisingEnd !== undefined && { endIndex: endIndex(plan, denoisingEnd, scheduler, beginIndex) }),
      signal,
      onStep: (event, answered) => {
        const preview = async () => {
          const denoised = await workspace.read(scheduler.denoised({ ...answered, ops }));
          // Pages download previews when they are asked for.
          const { previewLatents } = await import('./preview-latents.ts');
          return previewLatents(parts, denoised, options);
        };
        return onStep?.({ ...event, preview });
      },
    });
  try {
    return await (parts.memory ? parts.memory.denoise(sample.dims, run) : run());
  } finally {
    workspace.dispose();
  }
}

/** Decodes latents, if pictures are wanted, and says what they were drawn from. */
export async function finish(
  parts: PreviewParts,
  { outputType, vaeTiling, signal }: PaintOptions,
  { noise: { seeds, variationSeeds } }: PaintRequest,
  latents: Tensor,
): Promise<PaintResult> {
  const { width, height } = pictureSize(parts, latents.dims);
  const pixels =
    outputType === 'latent'
      ? zeros([0, parts.vae.config.outChannels, height, width])
      : await decodeLatents(parts, latents, { vaeTiling, signal });
  return {
    images: tensorToImages(pixels),
    pixels,
    latents,
    seed: seeds[0]!,
    seeds,
    ...(variationSeeds && { variationSeeds }),
  };
}
