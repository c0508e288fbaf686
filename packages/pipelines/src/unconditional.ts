// Pictures of whatever a network was trained on, without prompts: diffusers' DDPMPipeline and DDIMPipeline (Ho et al. 2020).
import { type Folder, readJson } from '@emulsion/checkpoints';
import type { Denoiser } from '@emulsion/guidance';
import { type RgbImage, tensorToImages } from '@emulsion/image';
import { type Cancellable, type Device, hostWorkspace, type RunOptions } from '@emulsion/runtime';
import { brownianDraws, loadScheduler, type PlanOptions, resolveScheduler } from '@emulsion/schedulers';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import { type LoadOptions, loadUnet2d, type Unet2d } from '@emulsion/unet';
import { runSampler, type StepEvent } from './run-sampler.ts';
import { createSeededNoise, type Seed, type SeedOptions } from './seeded-noise.ts';
import { assertNoise } from './text-to-image.ts';

/** The parts that the pipeline is composed of. */
export interface UnconditionalParts {
  readonly device: Device;
  readonly unet: Unet2d;
  /** The JSON of the model's scheduler_config.json. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
}

/** A request for pictures. The names and their meaning are those of diffusers. */
export interface UnconditionalOptions extends Cancellable, SeedOptions {
  /** How many pictures; 1 unless said otherwise. */
  readonly batchSize?: number | undefined;
  /** Denoising steps, at least 1; 50 unless said otherwise. diffusers takes 1000 with DDPM. */
  readonly numInferenceSteps?: number | undefined;
  /** Timesteps to visit instead, descending, where the scheduler takes them. */
  readonly timesteps?: readonly number[] | undefined;
  /** Of models that were trained with classes: one for all pictures or one for each. */
  readonly classLabels?: number | readonly number[] | undefined;
  /** Pixels; the model's own size unless given. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** A sampler's name (see the table in @emulsion/schedulers), or the JSON of a scheduler_config.json. */
  readonly scheduler?: string | Readonly<Record<string, unknown>> | undefined;
  /** Amount of noise that a stochastic sampler adds in a step; its meaning is the sampler's. */
  readonly eta?: number | undefined;
  /** Standard normal noise to start from, `[pictures, channels, height, width]`, instead of the seed's. */
  readonly latents?: Tensor | undefined;
  readonly onStep?: ((event: StepEvent) => void | Promise<void>) | undefined;
}

export interface UnconditionalResult {
  readonly images: RgbImage[];
  /** The pictures before they are rounded to bytes: `[pictures, channels, height, width]` in [0, 1]. */
  readonly pixels: Tensor;
  /** One for each picture, or a single one that all were drawn with. */
  readonly seeds: readonly Seed[];
}

/** Paints pictures of whatever the model was trained on. */
export interface UnconditionalPipeline extends UnconditionalParts {
  (options?: UnconditionalOptions): Promise<UnconditionalResult>;
  /** Frees the model, but not the device. */
  dispose(): Promise<void>;
}

/**
 * Loads the folders `unet` and `scheduler` of a model in diffusers layout.
 * @throws the errors of `loadUnet2d` and `loadScheduler`
 */
export async function loadUnconditional(model: Folder, options: LoadOptions): Promise<UnconditionalPipeline> {
  const schedulerConfig = await readJson(model.subfolder('scheduler'), 'scheduler_config.json');
  // One that is not supported is refused now, not with the first picture.
  await loadScheduler(schedulerConfig);
  const unet = await loadUnet2d(model.subfolder('unet'), options);
  const parts: UnconditionalParts = {
    device: options.device,
    unet,
    schedulerConfig: schedulerConfig as UnconditionalParts['schedulerConfig'], // an object, or it would have been refused
  };
  const painter = (request: UnconditionalOptions = {}) => unconditional(parts, request);
  return Object.assign(painter, parts, { dispose: () => unet.dispose() });
}

/**
 * Noise that a U-Net turns into pictures.
 * @throws {InvalidArgumentError} if the number or size of pictures makes no sense, and the errors of the parts
 */
export async function unconditional(
  parts: UnconditionalParts,
  options: UnconditionalOptions,
): Promise<UnconditionalResult> {
  const { device, unet, schedulerConfig } = parts;
  const { ops } = device;
  const { scheduler: wanted, eta, signal, onStep } = options;
  const config = typeof wanted === 'string' ? resolveScheduler(wanted, schedulerConfig) : wanted;
  const scheduler = await loadScheduler(config ?? schedulerConfig);
  const plan = scheduler.plan(stepOptions(options));
  const dims = pictureDims(unet, options);
  const noise = createSeededNoise(options, dims[0]!, ops);
  const start = options.latents ?? noise.start(dims, 1);
  assertNoise(start, dims);
  const workspace = plan.adaptive ? hostWorkspace : device.openWorkspace();
  const sampler = scheduler.sample({
    plan,
    ops: workspace.ops,
    sample: ops.combine([plan.initNoiseSigma, start]),
    reuseStates: true,
    noise: brownianDraws((like) => noise.step(like)),
    ...(eta !== undefined && { eta }),
  });
  const denoised = await runSampler(sampler, {
    denoiser: classDenoiser(unet, { signal, workspace }),
    condition: options.classLabels,
    workspace,
    plan,
    signal,
    onStep,
  }).finally(() => workspace.dispose());
  const pixels = ops.clamp(ops.affine(denoised, 0.5, 0.5), 0, 1);
  return { images: tensorToImages(pixels), pixels, seeds: noise.seeds };
}

/** The U-Net as a denoiser whose conditions are class labels. */
const classDenoiser =
  (unet: Unet2d, options: RunOptions): Denoiser<UnconditionalOptions['classLabels']> =>
  async (evaluations) => {
    const outputs: Tensor[] = [];
    for (const { sample, timestep, condition: classLabels } of evaluations)
      outputs.push(await unet.predict({ sample, timestep, classLabels }, options));
    return outputs;
  };

function stepOptions({ numInferenceSteps = 50, timesteps }: UnconditionalOptions): PlanOptions {
  return timesteps ? { timesteps } : { numInferenceSteps };
}

function pictureDims({ config }: Unet2d, options: UnconditionalOptions): number[] {
  const { inChannels, sampleSize = 64 } = config;
  const { batchSize = 1, latents } = options;
  const height = options.height ?? latents?.dims[2] ?? sampleSize;
  const width = options.width ?? latents?.dims[3] ?? sampleSize;
  for (const [name, value] of Object.entries({ batchSize, height, width })) {
    if (!Number.isInteger(value) || value < 1)
      throw new InvalidArgumentError(`${name} is ${value}. Give an integer of at least 1.`);
  }
  return [batchSize, inChannels, height, width];
}
